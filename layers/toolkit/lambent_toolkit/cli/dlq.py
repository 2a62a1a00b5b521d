"""Commands around dead letters: dlq list, show, redrive, drop."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lambent_toolkit.cli.failures import ending_on_failure, harmless, one_line
from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.stack_option import takes_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambent_toolkit.dead_letters import DeadLetterDesk, Found, Wanted
    from lambent_toolkit.stacks.find import StackChoice

# Nothing heavy may be imported at the top of this module: `lambent --help` loads it.

_SHORT_ID = 8
_MOST_ROWS = 200
# Most columns of queue, tenant and reason; what it is about has what is left of the screen.
_QUEUE, _TENANT, _REASON, _OTHERS = 10, 12, 14, 36
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400

Queue = Annotated[
    str | None,
    typer.Option("--queue", metavar="NAME", help="upload, infer, batch, notify, job_events.", show_default=False),
]
Tenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this tenant's.", show_default=False)]
Reason = Annotated[
    str | None,
    typer.Option("--reason", metavar="CODE", help="Only with this reason; gave_up if none.", show_default=False),
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)]

dlq_app = typer.Typer(no_args_is_help=True, help="Messages that no function could bring to an end.")


def register(app: typer.Typer) -> None:
    """Add these commands to ``app``."""
    app.add_typer(dlq_app, name="dlq")


@dlq_app.command("list")
@takes_stack
def list_letters(
    queue: Queue = None,
    tenant: Tenant = None,
    reason: Reason = None,
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """List dead letters, the oldest first: whose they are, why they died, and what was recorded."""
    with ending_on_failure():
        from lambent_toolkit.dead_letters import Wanted

        desk = _desk(stack)
        found = desk.list(Wanted(queue, (), tenant, reason))
        if as_json:
            _print_json(found)
            return
        counts = desk.counts()
    _print_table(found[:_MOST_ROWS])
    if len(found) > _MOST_ROWS:
        screen().print(f"… and {len(found) - _MOST_ROWS} more; --json has all.")
    if held := sum(each.held for each in counts):
        screen().print(f"{held} more are held by somebody at this moment, and seen again within minutes.")
    if found:
        screen().print("Next: lambent dlq show ID, redrive ID… or --queue NAME, drop ID…", markup=False)


@dlq_app.command()
@takes_stack
def show(
    message_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Show a dead letter: the whole message, its reason, and what was recorded of it."""
    with ending_on_failure():
        found = _desk(stack).show(message_id)
    if as_json:
        _print_json([found])
        return
    for name, text in _lines(found):
        screen().print(f"{name:<9} {harmless(text)}", markup=False, soft_wrap=True)


@dlq_app.command()
@takes_stack
def redrive(
    ids: Ids = None,
    queue: Queue = None,
    tenant: Tenant = None,
    reason: Reason = None,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, max=500, help="Most a second, of a whole queue.", show_default=False),
    ] = None,
    *,
    stack: StackChoice,
) -> None:
    """Send dead letters back to where they died: some, or all of a queue by a task of SQS's own."""
    with ending_on_failure():
        moved = _desk(stack).redrive(_wanted(ids, queue, tenant, reason), a_second=rate)
    screen().print(f"{moved.count} sent back.")
    if moved.over:
        screen().print(
            f"{len(moved.over)} left: their jobs have ended, which is final, or the sweep has applied them. What "
            "failed in a batch is run again by `lambent jobs retry JOB`, a call by sending it again; "
            "`lambent dlq drop ID…` clears them away.",
            soft_wrap=True,
        )


@dlq_app.command()
@takes_stack
def drop(
    ids: Ids = None,
    queue: Queue = None,
    tenant: Tenant = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise they are only told.")] = False,
    *,
    stack: StackChoice,
) -> None:
    """Delete dead letters for good; what was recorded of them stays."""
    with ending_on_failure():
        desk, wanted = _desk(stack), _wanted(ids, queue, tenant, reason)
        if not yes:
            _print_losses(desk.list(wanted))
            return
        count = desk.drop(wanted)
    screen().print(f"{count} dropped.")


def _desk(stack: StackChoice) -> DeadLetterDesk:
    from lambent_toolkit.dead_letters import DeadLetterDesk
    from lambent_toolkit.stacks.find import find_stack

    return DeadLetterDesk(find_stack(stack))


def _wanted(ids: list[str] | None, queue: str | None, tenant: str | None, reason: str | None) -> Wanted:
    from lambent_toolkit.dead_letters import Wanted

    if not (ids or queue or tenant or reason):
        raise typer.BadParameter("Say which: ids, --queue, --tenant or --reason.")
    return Wanted(queue, tuple(ids or ()), tenant, reason)


def _print_losses(found: list[Found]) -> None:
    _print_table(found)
    unrecorded = sum(each.record is None for each in found)
    told = f", {unrecorded} of which nobody has been told of yet: the next sweep does that" if unrecorded else ""
    screen().print(f"Nothing was dropped; --yes drops these {len(found)} for good{told}.", soft_wrap=True)


def _print_table(found: list[Found]) -> None:
    from lambent_toolkit.cli.tables import plain_table

    if not found:
        screen().print("No dead letter.")
        return
    table = plain_table("id", "queue", "age", "tenant", "reason", "recorded", "what", right=(2,))
    console = screen()
    left = console.width - _QUEUE - _TENANT - _REASON - _OTHERS
    for each in found:
        letter = each.letter
        table.add_row(
            letter.message_id[:_SHORT_ID],
            _cut(letter.queue, _QUEUE),
            _age(time.time() - letter.sent_at_s),
            _cut(each.tenant or "-", _TENANT),
            _cut(each.reason, _REASON),
            each.record.became.value if each.record is not None else "-",
            _cut(each.subject, left),
        )
    console.print(table)


def _lines(found: Found) -> Iterator[tuple[str, str]]:
    letter, record = found.letter, found.record
    yield "id", letter.message_id
    yield "queue", letter.queue
    yield "tenant", found.tenant or "-"
    yield "what", found.subject
    yield "reason", f"{found.reason}: {letter.attributes.get('reason') or 'its queue gave it up'}"
    yield "age", _age(time.time() - letter.sent_at_s)
    yield "receives", f"{letter.receives}, with those by the sweep and by this command"
    if record is None:
        yield "recorded", "not yet; the next sweep does it"
    else:
        yield "recorded", f"{record.became.value} at {record.at}: {record.detail} ({record.code})"
    for name, text in letter.attributes.items():
        if not name.startswith("reason"):
            yield "attribute", f"{name}={text}"
    yield "body", letter.body


def _cut(text: str, most: int) -> str:
    shown = one_line(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _age(seconds: float) -> str:
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _print_json(found: list[Found]) -> None:
    import json

    from lambent_toolkit.dead_letters.desk import as_json

    told: list[dict[str, Any]] = [as_json(each) for each in found]
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
