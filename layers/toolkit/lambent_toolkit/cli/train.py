"""The command `lambent train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen, typed

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.training import Trained

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

MODELS_DIR = Path(".lambent/models")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(train)


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Built-in: digits, language, wine, transfer; or a Python file that is a recipe.", show_default=False
        ),
    ],
    *,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A hyper-parameter; again for more.", show_default=False),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Short for --set epochs=N.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=N.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder for the model and all later steps; {MODELS_DIR}/RECIPE unless named.", show_default=False
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Drop the checkpoints of an unfinished training.")] = False,
) -> None:
    """Train a recipe's Keras model, or go on with it after Ctrl-C; the same seed gives the same weights."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.watch import ConsoleWatcher
        from lambent_toolkit.modelkit.recipe_settings import with_settings
        from lambent_toolkit.modelkit.recipes import find_recipe
        from lambent_toolkit.modelkit.workbench import Workbench

        shorts = [f"{key}={value}" for key, value in (("epochs", epochs), ("seed", seed)) if value is not None]
        chosen = with_settings(find_recipe(recipe), [*(settings or []), *shorts])
        folder = out or MODELS_DIR / chosen.name
        with ConsoleWatcher(console) as watcher:
            trained = Workbench(folder, watcher=watcher).train(chosen, fresh=fresh)
        for line in _summary(trained, folder):
            console.print(line, markup=False, soft_wrap=True)


def _summary(trained: Trained, folder: Path) -> list[str]:
    from lambent_toolkit.modelkit.training import describe

    ended = "stopped early" if trained.stopped_early else "all"
    epochs = f"{len(trained.epochs)} epochs ({ended}) in {trained.training_s:.1f} s"
    return [
        f"{epochs}. The model has the weights of epoch {trained.best_epoch}: {describe(trained.best)}.",
        f"Curves: {folder}/training.html; for TensorBoard: tensorboard --logdir {typed(folder / 'logs')}",
        f"Next: lambent quantize {typed(folder)}",
    ]
