"""The `lambent` command: every group of verbs registers itself here."""

from __future__ import annotations

import typer

from lambent_toolkit.cli import (
    api_key,
    costs,
    data,
    demo,
    deploy,
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

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train, publish and serve models, on this machine and on AWS.",
)
GROUPS = (
    stack,
    deploy,
    doctor,
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
    webhooks,
    costs,
    demo,
    sam_local,
)
for group in GROUPS:
    group.register(app)


if __name__ == "__main__":
    app()
