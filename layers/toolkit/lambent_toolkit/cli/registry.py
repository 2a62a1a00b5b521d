"""Commands of a version's life after it is published: models, label, canary, promote, rollback, retire, diff, gc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent.domain.model import LabelRecord
    from lambent_toolkit.modelkit.rollout import Rollout
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

Model = Annotated[str, typer.Argument(show_default=False)]
Version = Annotated[int, typer.Argument(min=1, show_default=False)]
Label = Annotated[str, typer.Option("--label", help="The label to move.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the history.", show_default=False)]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who you are, if not this machine's user.", show_default=False),
]
Revision = Annotated[
    int | None,
    typer.Option("--revision", min=0, help="Only if the label is at this revision still.", show_default=False),
]
LIVE = "live"
RETIRED_FOR_DAYS = 30

label_app = typer.Typer(no_args_is_help=True, help="Point labels to versions, and see where they pointed.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    for command in (models, canary, promote, rollback, retire, diff, gc):
        app.command()(takes_stack(command))
    app.add_typer(label_app, name="label")


def models(*, stack: StackChoice) -> None:
    """List the published versions, the labels that point to them, and who published or retired them."""
    with ending_on_failure():
        from lambent_toolkit.cli.registry_tables import print_versions

        registry = _rollout(stack).registry
        rows = [
            (record, registry.labels(name))
            for name in registry.models()
            for record in registry.versions(name)
            if record.removed is None
        ]
    if rows:
        print_versions(screen(), rows)
    else:
        screen().print("No model is published yet.")


@label_app.command("set")
@takes_stack
def set_label(  # noqa: PLR0917 - typer passes every option by name
    model: Model,
    label: Annotated[str, typer.Argument(help="e.g. live", show_default=False)],
    version: Version,
    why: Why = "",
    by: By = None,
    revision: Revision = None,
    *,
    stack: StackChoice,
) -> None:
    """Point a label to a published version; a canary that it had ends with it."""
    with ending_on_failure():
        rollout = _rollout(stack, by)
        rollout.check_servable(model, version)
        record = rollout.set_label(model, label, version, why=why, revision=revision)
    _tell(record)


@label_app.command("list")
@takes_stack
def list_labels(model: Model, *, stack: StackChoice) -> None:
    """List a model's labels: where they point, with which canary, and who moved them last."""
    with ending_on_failure():
        from lambent.services.describe import DescribeService
        from lambent_toolkit.cli.registry_tables import labels_table

        registry = _rollout(stack).registry
        DescribeService(registry).versions(model)
        records = registry.labels(model)
    screen().print(labels_table(records) if records else f"{model} has no label yet.")


@label_app.command("history")
@takes_stack
def label_history(
    model: Model,
    label: Annotated[str, typer.Argument(help="e.g. live")] = LIVE,
    *,
    stack: StackChoice,
) -> None:
    """Show a label's latest 50 moves, the newest first: what, who, when and why."""
    with ending_on_failure():
        from lambent_toolkit.cli.registry_tables import history_table

        moves = _rollout(stack).history(model, label)
    screen().print(history_table(moves))


def canary(  # noqa: PLR0917 - typer passes every option by name
    model: Model,
    version: Version,
    weight: Annotated[
        str, typer.Option(metavar="SHARE", help="Of the label's requests: 10%, 10 or 0.1.", show_default=False)
    ],
    label: Label = LIVE,
    why: Why = "",
    by: By = None,
    revision: Revision = None,
    *,
    stack: StackChoice,
) -> None:
    """Let a version answer some of a label's requests; the same request key gets the same version everywhere."""
    with ending_on_failure():
        from lambent.domain.rollout import parse_weight

        weight_bp = parse_weight(weight)
        rollout = _rollout(stack, by)
        rollout.check_servable(model, version)
        record = rollout.start_canary(model, label, version, weight_bp, why=why, revision=revision)
    _tell(record)
    screen().print(f"Next: lambent promote {model}, or lambent rollback {model}")


def promote(
    model: Model,
    label: Label = LIVE,
    why: Why = "",
    by: By = None,
    revision: Revision = None,
    *,
    stack: StackChoice,
) -> None:
    """Make a label's canary its stable version, for all requests."""
    with ending_on_failure():
        record = _rollout(stack, by).promote(model, label, why=why, revision=revision)
    _tell(record)


def rollback(
    model: Model,
    label: Label = LIVE,
    why: Why = "",
    by: By = None,
    revision: Revision = None,
    *,
    stack: StackChoice,
) -> None:
    """Drop a label's canary; without one, go back to the stable version before."""
    with ending_on_failure():
        record = _rollout(stack, by).rollback(model, label, why=why, revision=revision)
    _tell(record)


def retire(model: Model, version: Version, why: Why = "", by: By = None, *, stack: StackChoice) -> None:
    """Let no label point to a version any more; refused while a label or an open job uses it."""
    with ending_on_failure():
        from lambent.domain.model import ModelRef

        record = _rollout(stack, by).retire(ModelRef(model, version), why=why)
    screen().print(f"{record.ref} is retired; `lambent gc` removes its files after {RETIRED_FOR_DAYS} days.")


def diff(
    model: Model,
    first: Annotated[int, typer.Argument(metavar="V1", min=1, show_default=False)],
    second: Annotated[int, typer.Argument(metavar="V2", min=1, show_default=False)],
    *,
    stack: StackChoice,
) -> None:
    """Compare two versions: contract, files, and the report's figures and settings."""
    with ending_on_failure():
        from lambent_toolkit.cli.registry_tables import print_diff

        found = _rollout(stack).diff(model, first, second)
    print_diff(screen(), found)


def gc(
    days: Annotated[int, typer.Option(min=7, help="Only versions retired this long ago.")] = RETIRED_FOR_DAYS,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; otherwise they are only listed.")] = False,
    by: By = None,
    *,
    stack: StackChoice,
) -> None:
    """List the files of long retired versions and what broken publishing has left; remove them with --yes."""
    console = screen()
    with ending_on_failure():
        from lambent_toolkit.cli.registry_tables import garbage_table

        rollout = _rollout(stack, by)
        found = rollout.garbage(retired_for_days=days)
        console.print(garbage_table(found) if found else "Nothing to remove.")
        if not yes:
            if found:
                console.print("Nothing was removed; --yes removes these.")
            return
        for each in found:
            done = "removed" if rollout.remove(each, retired_for_days=days) else "kept: somebody needs it by now"
            console.print(f"{each.ref}: {done}")


def _tell(record: LabelRecord) -> None:
    canary_told = ""
    if record.canary is not None:
        canary_told = f", canary version {record.canary.version} at {record.canary.weight_percent:g}%"
    screen().print(
        f"{record.name}: {record.label} → version {record.version}{canary_told} (revision {record.revision})"
    )


def _rollout(stack: StackChoice, by: str | None = None) -> Rollout:
    from lambent_toolkit.modelkit.rollout import Rollout
    from lambent_toolkit.stacks.find import find_stack

    return Rollout(find_stack(stack), by=by)
