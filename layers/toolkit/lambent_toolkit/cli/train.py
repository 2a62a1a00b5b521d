"""The command `lambent train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.remote import DEFAULT_TENANT, Detach, Remote, Tenant, detached, follow, open_runs
from lambent_toolkit.cli.screen import screen, typed
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from rich.console import Console

    from lambent_toolkit.modelkit.recipe import Recipe
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

MODELS_DIR = Path(".lambent/models")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(takes_stack(train))


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Built-in: digits, language, wine, diabetes, transfer; or a Python file that is a recipe.",
            show_default=False,
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
    remote: Remote = False,
    detach: Detach = False,
    tenant: Tenant = DEFAULT_TENANT,
    stack: StackChoice,
) -> None:
    """Train a recipe's Keras model, or go on with it after Ctrl-C; the same seed gives the same weights."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.modelkit.recipe_settings import with_settings
        from lambent_toolkit.modelkit.recipes import find_recipe

        shorts = [f"{key}={value}" for key, value in (("epochs", epochs), ("seed", seed)) if value is not None]
        chosen = with_settings(find_recipe(recipe), [*(settings or []), *shorts])
        folder = out or MODELS_DIR / chosen.name
        if not remote:
            _train_here(console, chosen, folder, fresh=fresh)
        else:
            runs = open_runs(stack, tenant)
            run = runs.train(chosen, folder)
            if detach:
                detached(console, run)
                return
            follow(console, runs, run.run_id)
        print_trained(console, folder)


def _train_here(console: Console, recipe: Recipe, folder: Path, *, fresh: bool) -> None:
    from lambent_toolkit.cli.watch import ConsoleWatcher
    from lambent_toolkit.modelkit.workbench import Workbench

    with ConsoleWatcher(console) as watcher:
        Workbench(folder, watcher=watcher).train(recipe, fresh=fresh)


def print_trained(console: Console, folder: Path) -> None:
    """Print how a training ended, wherever it ran, and what comes next."""
    for line in _summary(folder):
        console.print(line, markup=False, soft_wrap=True)


def _summary(folder: Path) -> list[str]:
    from lambent_toolkit.modelkit.training_progress import describe
    from lambent_toolkit.modelkit.training_record import read_training_record

    record = read_training_record(folder)
    ended = "stopped early" if record.stopped_early else "all"
    epochs = f"{record.epochs} epochs ({ended}) in {record.training_s:.1f} s"
    best = describe(record.curve[record.best_epoch - 1])
    return [
        f"{epochs}. The model has the weights of epoch {record.best_epoch}: {best}.",
        f"Curves: {folder}/training.html; for TensorBoard: tensorboard --logdir {typed(folder / 'logs')}",
        f"Next: lambent quantize {typed(folder)}",
    ]
