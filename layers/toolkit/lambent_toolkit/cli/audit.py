"""Commands around the trail of changes: audit list, audit verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure, one_line
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

audit_app = typer.Typer(no_args_is_help=True, help="Who changed what of a stack: versions, labels, tenants, keys.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(audit_app, name="audit")


@audit_app.command("list")
@takes_stack
def list_lines(
    lines: Annotated[int, typer.Option("--lines", min=1, max=10_000, help="How many, the newest first.")] = 50,
    *,
    stack: StackChoice,
) -> None:
    """List the latest changes of a stack, the newest first: what, who, when and why."""
    with ending_on_failure():
        from lambent_toolkit.stacks.find import find_stack
        from lambent_toolkit.tenants.trail import Trail

        found = Trail(find_stack(stack)).latest(lines)
    for line in found:
        entry = line.entry
        told = f"{entry.action} {entry.subject}{f': {entry.detail}' if entry.detail else ''}"
        why = f" ({entry.why})" if entry.why else ""
        shown = one_line(f"{line.number}  {entry.at[:19]}Z  {entry.by}  {told}{why}")
        screen().print(shown, markup=False, soft_wrap=True)
    if not found:
        screen().print("No change is recorded yet.", markup=False)


@audit_app.command()
@takes_stack
def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:DIGEST", help="A head that was noted elsewhere.", show_default=False),
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """Find whether a line of the trail was changed, removed, inserted, moved or cut off; print its head.

    The head is noted in .lambent/audit-heads.json, too, and later ones are held to it. Keep it elsewhere as well.
    """
    with ending_on_failure():
        from lambent_toolkit.stacks.find import find_stack
        from lambent_toolkit.tenants.trail import Trail

        found = Trail(find_stack(stack)).verify(head=head)
    typer.echo(f"{found.number} changes, each as it was recorded; the head:", err=True)
    screen().print(str(found), soft_wrap=True, markup=False, highlight=False)
