"""The `lambent` command: every group of verbs registers itself here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from lambent_toolkit.cli import (
    api_key,
    audit,
    costs,
    data,
    demo,
    deploy,
    dlq,
    doctor,
    evaluate,
    importing,
    jobs,
    key,
    model,
    quantize,
    registry,
    remote,
    sam_local,
    sensitivity,
    show,
    stack,
    tenant,
    train,
    webhooks,
)
from lambent_toolkit.cli.failures import INTERRUPTED, say_failure
from lambent_toolkit.cli.interrupts import interrupting


class _Verbs(TyperGroup):
    """All verbs; a name that no text can hold is refused before a verb does half of its work."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        for name in (*args, str(Path.cwd())):
            # Linux' names are bytes; Python gives those that are not UTF-8 as halves of surrogate pairs.
            if (shown := name.encode("utf-8", "backslashreplace").decode()) != name:
                raise typer.BadParameter(f"'{shown}' is not UTF-8: rename the file or the folder.", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:
        """Run a verb; Ctrl-C ends it wherever it comes."""
        try:
            with interrupting():
                return super().invoke(ctx)
        except KeyboardInterrupt as exc:
            say_failure("Stopped.")
            raise typer.Exit(INTERRUPTED) from exc


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train, publish and serve models, on this machine and on AWS.",
)
GROUPS = (
    stack,
    deploy,
    doctor,
    dlq,
    data,
    train,
    quantize,
    evaluate,
    remote,
    model,
    sensitivity,
    importing,
    registry,
    show,
    jobs,
    key,
    tenant,
    api_key,
    audit,
    webhooks,
    costs,
    demo,
    sam_local,
)
for group in GROUPS:
    group.register(app)


if __name__ == "__main__":
    app()
