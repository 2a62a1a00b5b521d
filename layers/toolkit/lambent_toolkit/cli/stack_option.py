"""The options by which a verb is told which stack it speaks to: --stack, --region, --profile, or --state."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

_PANEL = "Which stack"


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, show_default=False, rich_help_panel=_PANEL)


_OPTIONS: dict[str, Any] = {
    "stack_name": Annotated[str | None, _option("--stack", "NAME", "A deployed stack, or the variable LAMBENT_STACK.")],
    "region": Annotated[str | None, _option("--region", "NAME", "Its AWS Region, if not the SDK's own.")],
    "profile": Annotated[str | None, _option("--profile", "NAME", "Profile of the AWS credentials.")],
    "state": Annotated[
        Path | None, _option("--state", "FOLDER", "State folder of a local stack, .lambent if left out.")
    ],
}
_PARAMETER = "stack"


def takes_stack(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the four options in place of its parameter ``stack``, which gets a `stacks.StackChoice`."""
    own = inspect.signature(command)
    hints = get_type_hints(command, localns={"StackChoice": Any}, include_extras=True)
    parameters = [each.replace(annotation=hints[name]) for name, each in own.parameters.items() if name != _PARAMETER]
    keyword = inspect.Parameter.KEYWORD_ONLY
    options = [inspect.Parameter(name, keyword, default=None, annotation=_OPTIONS[name]) for name in _OPTIONS]

    @functools.wraps(command)
    def with_choice(*args: Any, **given: Any) -> None:
        from lambent_toolkit.stacks.find import StackChoice

        said = {name: given.pop(name, None) for name in _OPTIONS}
        choice = StackChoice(
            state=said["state"], name=said["stack_name"], region=said["region"], profile=said["profile"]
        )
        command(*args, **given, stack=choice)

    with_choice.__signature__ = own.replace(parameters=[*parameters, *options])  # type: ignore[attr-defined]
    with_choice.__annotations__ = {each.name: each.annotation for each in (*parameters, *options)}
    return with_choice
