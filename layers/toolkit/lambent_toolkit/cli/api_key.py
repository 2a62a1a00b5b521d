"""Commands around API keys: key create, list, get, rotate, revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.key import key_app
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack
from lambent_toolkit.cli.tenant import By, Why, tenants_of

if TYPE_CHECKING:
    from lambent.domain.caller import Scope
    from lambent_toolkit.stacks.find import StackChoice
    from lambent_toolkit.tenants import KeyRecord

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

PANEL = "API keys"
GRACE = "24h"
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `key list` shows it.", show_default=False)]


def register(_app: typer.Typer) -> None:
    """Add these commands to the group `key`, beside those of signing keys."""
    commands = {"create": create, "list": list_keys, "get": get, "rotate": rotate, "revoke": revoke}
    for name, command in commands.items():
        key_app.command(name, rich_help_panel=PANEL)(takes_stack(command))


def create(
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose key it is.", show_default=False)],
    scopes: Annotated[
        str, typer.Option("--scopes", metavar="LIST", help="Of predict, jobs, operator, with commas between them.")
    ] = "predict,jobs",
    quota: Annotated[
        str | None,
        typer.Option("--quota", metavar="N/PERIOD", help="1000/day, 20000/week; else the stack's.", show_default=False),
    ] = None,
    why: Why = "",
    by: By = None,
    *,
    stack: StackChoice,
) -> None:
    """Make an API key of a tenant; its value is the only thing on stdout."""
    chosen = _scopes(scopes)
    with ending_on_failure():
        from lambent_toolkit.tenants import Quota

        limit = None if quota is None else Quota.parse(quota)
        key, value = tenants_of(stack, by).create_key(tenant, scopes=chosen, quota=limit, why=why)
    _tell_made(key, value)


def list_keys(
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Only its keys.", show_default=False)
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """List keys by their ids: whose they are, what they may do, and since when."""
    with ending_on_failure():
        tenants = tenants_of(stack)
        names = [each.name for each in tenants.list()] if tenant is None else [tenant]
        keys = [key for name in names for key in tenants.keys_of(name)]
    for key in keys:
        screen().print(_told(key), markup=False, soft_wrap=True)
    if not keys:
        screen().print(f"{tenant} has no key yet: lambent key create --tenant {tenant}", markup=False)


def _told(key: KeyRecord) -> str:
    """Return a key in one line that can be copied and searched, however narrow the terminal."""
    made = "made by the template" if key.is_own else f"made {key.created_at[:10]} by {key.by}"
    quota = f"quota {key.quota or 'of the stack'}"
    until = "" if key.valid_until is None else f", rotated out, valid until {key.valid_until[:16]}Z"
    return f"{key.key_id}  {key.tenant}  {','.join(sorted(key.scopes))}  {quota}, {made}{until}"


def get(
    key_id: Annotated[
        str | None, typer.Argument(metavar="KEY_ID", help="The stack's own key if left out.", show_default=False)
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """Print the value of a key, to be sent as x-api-key."""
    with ending_on_failure():
        value = tenants_of(stack).value_of(key_id)
    screen().print(value, soft_wrap=True, markup=False, highlight=False)


def rotate(
    key_id: KeyId,
    grace: Annotated[
        str, typer.Option("--grace", metavar="TIME", help="How long the old key goes on working; 0s for not at all.")
    ] = GRACE,
    why: Why = "",
    by: By = None,
    *,
    stack: StackChoice,
) -> None:
    """Make a key in place of another, with its scopes and quota; the old one works on for a while.

    The stack's own key has no grace: it is disabled at once.
    """
    with ending_on_failure():
        from lambent_toolkit.jobs.request import span_of

        span = span_of(grace)
        if span is None:
            raise typer.BadParameter(f"{grace!r} is no time like 90s, 30m, 2h or 1d", param_hint="--grace")
        key, value = tenants_of(stack, by).rotate_key(key_id, grace_s=span.total_seconds(), why=why)
    _tell_made(key, value)


def revoke(key_id: KeyId, why: Why = "", by: By = None, *, stack: StackChoice) -> None:
    """Let a key open nothing any more."""
    with ending_on_failure():
        key = tenants_of(stack, by).revoke_key(key_id, why=why)
    done = "disabled" if key.is_own else "revoked"
    screen().print(f"key {key.key_id} of {key.tenant} is {done}.", markup=False)


def _scopes(text: str) -> frozenset[Scope]:
    from lambent.domain.caller import Scope

    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {scope.value: scope for scope in Scope}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(known)}", param_hint="--scopes")
    if not names:
        raise typer.BadParameter(f"name at least one of {', '.join(known)}", param_hint="--scopes")
    return frozenset(known[name] for name in names)


def _tell_made(key: KeyRecord, value: str) -> None:
    """Print the value where a script reads it, and what it is where a person does."""
    typer.echo(f"key {key.key_id} of {key.tenant}: {', '.join(sorted(key.scopes))}; send it as x-api-key:", err=True)
    screen().print(value, soft_wrap=True, markup=False, highlight=False)
