"""Commands around the trail of changes: audit list, verify, anchor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure, one_line
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent.domain.audit_trail import Head
    from lambent_toolkit.stacks.find import StackChoice
    from lambent_toolkit.stacks.stack import Stack
    from lambent_toolkit.tenants.anchors import Anchor, Anchors

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
    bucket: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A bucket with anchors, all of which must hold.", show_default=False),
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """Find whether a line of the trail was changed, removed, inserted, moved or cut off; print its head.

    The head is noted in .lambent/audit-heads.json, too, and later ones are held to it. Keep it elsewhere as well, or
    anchor it.
    """
    with ending_on_failure():
        from lambent_toolkit.stacks.find import find_stack

        chosen = find_stack(stack)
        anchors = _anchors(chosen, bucket).all() if bucket else []
        found = _verified(chosen, anchors, head=head)
    typer.echo(f"{found.number} changes, each as it was recorded.", err=True)
    if bucket:
        since = f", the first of {anchors[0].at:%Y-%m-%d}" if anchors else ": `lambent audit anchor` makes one"
        typer.echo(f"Held to {len(anchors)} anchors{since}.", err=True)
    typer.echo("The head:", err=True)
    screen().print(str(found), soft_wrap=True, markup=False, highlight=False)


@audit_app.command()
@takes_stack
def anchor(
    bucket: Annotated[str, typer.Option(metavar="NAME", help="With S3 Object Lock, best of another account.")],
    *,
    stack: StackChoice,
) -> None:
    """Verify the trail, and keep its head where nobody can remove it: what is before it cannot be written anew."""
    with ending_on_failure():
        from lambent_toolkit.stacks.find import find_stack

        chosen = find_stack(stack)
        anchors = _anchors(chosen, bucket)
        found = _verified(chosen, anchors.all())
        until = anchors.add(found)
    typer.echo(f"{found.number} changes are anchored, until {until:%Y-%m-%d}.", err=True)
    typer.echo(f"Next: lambent audit verify --bucket {bucket}", err=True)
    screen().print(str(found), soft_wrap=True, markup=False, highlight=False)


def _anchors(stack: Stack, bucket: str) -> Anchors:
    from lambent_toolkit.tenants.anchors import Anchors

    return Anchors(stack.client("s3"), bucket, table=stack.table)


def _verified(stack: Stack, anchors: list[Anchor], *, head: str | None = None) -> Head:
    from lambent_toolkit.tenants.trail import Trail

    return Trail(stack).verify(head=head, anchored=[each.head for each in anchors])
