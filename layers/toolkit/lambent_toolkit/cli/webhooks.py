"""Commands around webhooks: webhooks secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

webhooks_app = typer.Typer(no_args_is_help=True, help="What tells receivers of ended jobs.")


@webhooks_app.callback()
def _group() -> None:
    """Keep `secret` a verb of its own, which typer would drop while it is the only one."""


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(webhooks_app, name="webhooks")


@webhooks_app.command()
@takes_stack
def secret(
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a new one; the old one signs beside it for a day.")
    ] = False,
    *,
    stack: StackChoice,
) -> None:
    """Show the secret that signs your webhooks, by which a receiver knows that they are yours."""
    with ending_on_failure():
        from lambent_toolkit.stacks.find import find_door
        from lambent_toolkit.webhooks import webhook_secret

        shown = webhook_secret(find_door(stack), is_rotated=rotate)
    # Whole on one line, to be copied.
    screen().print(shown.secret, soft_wrap=True, markup=False, highlight=False)
    if shown.previous_valid_until is not None:
        screen().print(f"The secret before it signs too until {shown.previous_valid_until}.", markup=False)
