"""Template parameters, as a person gives and reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def parse_parameters(pairs: list[str] | None) -> dict[str, str]:
    """Read NAME=VALUE pairs; raises typer.BadParameter."""
    parameters = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--parameter")
        parameters[name] = value
    return parameters


def print_parameters(console: Console, root: Path) -> None:
    """Print the template's parameters: name, default, what it may be, what it is for."""
    from lambent_toolkit.sandbox.sources import read_template

    for name, declared in read_template(root / "template.yaml")["Parameters"].items():
        default = f"={declared['Default']}" if str(declared.get("Default", "")) else ""
        console.print(f"{name}{default}", style="bold", markup=False, highlight=False, soft_wrap=True)
        allowed = f" One of {', '.join(map(str, declared['AllowedValues']))}." if "AllowedValues" in declared else ""
        console.print(f"    {' '.join(declared['Description'].split())}{allowed}", markup=False)
