"""The command `jobs quote`: what a batch would take and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lambent_toolkit.cli.failures import ending_on_failure
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.


def register(app: typer.Typer) -> None:
    """Add this command to ``app``."""
    app.command()(takes_stack(quote))


def quote(  # noqa: PLR0917 - typer passes every option by name
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="As `jobs submit` takes it; prefixes end in /.", show_default=False)
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Name of the model.", show_default=False)],
    version: Annotated[str | None, typer.Option(help="A version's number.", show_default=False)] = None,
    label: Annotated[str | None, typer.Option(help="A label, live if neither is named.", show_default=False)] = None,
    lane: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="2h, 30m, or an RFC 3339 time.", show_default=False)
    ] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="5 if left out.", show_default=False)] = None,
    input_format: Annotated[
        str | None,
        typer.Option("--format", help="jsonl, csv, parquet or zip, if the name does not tell.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As the API answers.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Say what a batch would take and cost on both lanes, and run nothing; a local file is uploaded to be counted."""
    with ending_on_failure():
        from lambent_toolkit.jobs.client import JobsClient
        from lambent_toolkit.jobs.inputs import batch_input
        from lambent_toolkit.jobs.request import batch_request
        from lambent_toolkit.stacks.find import find_door

        options = {"version": version, "label": label, "lane": lane, "deadline": deadline, "priority": priority}
        with JobsClient(find_door(stack)) as client:
            found = batch_input(client, source)
            if input_format is not None:
                found["format"] = input_format
            plain = {"format": "jsonl", "compression": "none"}
            told = client.quote(batch_request("quote", model, found, output=plain, **options))
    if as_json:
        import json

        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    from lambent_toolkit.cli.quote_show import quote_view

    screen().print(quote_view(told))
