"""Commands around tenants: tenant add, list, remove, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure, one_line
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.stacks.find import StackChoice
    from lambent_toolkit.tenants import Tenants

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

Name = Annotated[str, typer.Argument(metavar="TENANT", show_default=False)]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the history.", show_default=False)]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who you are, if not this machine's user.", show_default=False),
]

tenant_app = typer.Typer(no_args_is_help=True, help="Who may call: each tenant has its own keys, jobs and files.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(tenant_app, name="tenant")


def tenants_of(stack: StackChoice, by: str | None = None) -> Tenants:
    """Return the tenants of the stack that is meant."""
    from lambent_toolkit.stacks.find import find_stack
    from lambent_toolkit.tenants import Tenants

    return Tenants(find_stack(stack), by=by)


@tenant_app.command()
@takes_stack
def add(
    name: Name,
    restore: Annotated[bool, typer.Option("--restore", help="The same tenant that was removed before.")] = False,
    why: Why = "",
    by: By = None,
    *,
    stack: StackChoice,
) -> None:
    """Add a tenant; it has no key yet."""
    with ending_on_failure():
        tenant = tenants_of(stack, by).add(name, why=why, is_restored=restore)
    screen().print(f"tenant {tenant.name} added. Next: lambent key create --tenant {tenant.name}", soft_wrap=True)


@tenant_app.command("list")
@takes_stack
def list_tenants(*, stack: StackChoice) -> None:
    """List the tenants and how many keys each has."""
    with ending_on_failure():
        from lambent_toolkit.cli.tables import plain_table

        tenants = tenants_of(stack)
        table = plain_table("tenant", "keys", "added", "by", right=(1,))
        for each in tenants.list():
            table.add_row(each.name, str(len(tenants.keys(each.name))), each.created_at[:10], each.by)
    screen().print(table)


@tenant_app.command()
@takes_stack
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise its keys are only listed.")] = False,
    why: Why = "",
    by: By = None,
    *,
    stack: StackChoice,
) -> None:
    """Remove a tenant and revoke all its keys; its jobs and files stay until they expire."""
    console = screen()
    with ending_on_failure():
        tenants = tenants_of(stack, by)
        if not yes:
            keys = tenants.removable(name)
            told = ", ".join(key.key_id for key in keys) or "none"
            console.print(f"Nothing was removed; --yes removes {name} and revokes its keys: {told}.", soft_wrap=True)
            return
        keys = tenants.remove(name, why=why)
    console.print(f"tenant {name} removed, {len(keys)} keys revoked; they work for up to 5 seconds more.")


@tenant_app.command()
@takes_stack
def history(name: Name, *, stack: StackChoice) -> None:
    """Show the latest 50 changes of a tenant and its keys, the newest first: what, who, when and why."""
    with ending_on_failure():
        lines = tenants_of(stack).history(name)
    for line in lines:
        told = " ".join(text for text in (line.key_id, line.detail) if text)
        why = f" ({line.why})" if line.why else ""
        shown = one_line(f"{line.at[:19]}Z  {line.by}  {line.action} {told}{why}")
        screen().print(shown, markup=False, soft_wrap=True)
    if not lines:
        screen().print(f"Nothing is recorded of {name}.", markup=False)
