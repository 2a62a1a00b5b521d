"""How a job looks on a console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lambent_toolkit.cli.quote_show import cost_facts
from lambent_toolkit.cli.tables import plain_table

if TYPE_CHECKING:
    from rich.console import Console

Job = dict[str, Any]
_STYLES = {"SUCCEEDED": "green", "PARTIAL": "yellow", "FAILED": "red", "CANCELLED": "yellow"}
_MARKS = {"SUCCEEDED": "✓", "PARTIAL": "!", "FAILED": "✗", "CANCELLED": "✗"}
_SECONDS = 19  # of an ISO 8601 timestamp
_TIME = slice(11, 19)
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_BAR_COLUMNS = 30


def progress_view(job: Job) -> RenderableType:
    """Return a running job as a few lines, which are the same lines every time."""
    lines: list[RenderableType] = [_heading(job), _bar(job), Text(_pace(job)), Text(_shards(job), "dim")]
    if job["waiting"] is not None:
        lines.append(Text(f"waiting ({job['waiting']['code']}): {job['waiting']['detail']}", "yellow"))
    return Group(*lines)


def progress_line(job: Job) -> str:
    """Return a job's progress on one line, with the time at which it changed last."""
    parts = [job["state"], f"{_handled(job):,}/{_total(job)} items"]
    if job["failed"]:
        parts.append(f"{job['failed']:,} failed")
    if job["rate"]:
        parts.append(f"{_rate(job)}, {_left(job)}")
    if job["shard_counts"] is not None:
        counts = job["shard_counts"]
        parts.append(f"shards {counts['finished']}/{sum(counts.values())}")
    line = "  ".join(parts)
    return line if job["waiting"] is None else f"{line}  waiting: {job['waiting']['detail']}"


def change_of(job: Job) -> tuple[Any, ...]:
    """Return what has to change for a job to be worth another line."""
    finished = job["shard_counts"]["finished"] if job["shard_counts"] is not None else None
    waiting = job["waiting"]["code"] if job["waiting"] is not None else None
    return job["state"], job["failed"], finished, waiting


def print_end(console: Console, job: Job, errors: Sequence[Job]) -> None:
    """Print how a job ended, some of its errors, and what to do next."""
    state = job["state"]
    console.print(Text(f"{_MARKS[state]} {_summary(job)}", f"bold {_STYLES[state]}"))
    if job["error"] is not None:
        console.print(Text(f"  {job['error']['detail']} ({job['error']['code']})"), soft_wrap=True)
        for problem in job["error"].get("errors") or []:
            console.print(Text(f"  line {problem.get('line', '?')}: {problem.get('detail', problem)}"), soft_wrap=True)
    if errors:
        console.print(errors_table(errors))
        if job["failed"] > len(errors):
            console.print(f"  … and {job['failed'] - len(errors):,} more", highlight=False)
    for command in _next(job):
        console.print(Text(f"Next: {command}", "dim"), soft_wrap=True)


def job_table(job: Job) -> Table:
    """Return what there is to tell of a job, a line each."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _facts(job):
        if value not in (None, ""):
            table.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return table


def jobs_table(jobs: Sequence[Job]) -> Table:
    """Return a list of jobs."""
    table = plain_table("job", "state", "model", "lane", "items", "failed", "created", right=(4, 5))
    table.columns[0].overflow = "fold"
    table.columns[0].no_wrap = False
    for job in jobs:
        version = f"@{job['version']}" if job["version"] is not None else ""
        table.add_row(
            job["id"],
            Text(job["state"], _STYLES.get(job["state"], "")),
            f"{job['model']}{version}",
            job["lane"] or "",
            f"{job['total']:,}" if job["total"] is not None else "",
            f"{job['failed']:,}" if job["failed"] else "",
            time_of(job["created_at"]),
        )
    return table


def errors_table(errors: Sequence[Job]) -> Table:
    """Return failed items: where they stand in the input, which they are, and why they failed."""
    table = plain_table("line", "item", "code", "why", right=(0,))
    for column in (1, 3):
        table.columns[column].no_wrap = False
        table.columns[column].overflow = "fold"
    for error in errors:
        table.add_row(
            str(error["line"]), error["id"], error["code"], str(error.get("detail") or error.get("error") or "")
        )
    return table


def time_of(timestamp: str) -> str:
    """Return a timestamp to the second."""
    return f"{timestamp[:_SECONDS].replace('T', ' ')}Z"


def span_of(seconds: float) -> str:
    """Return a span of time in its two largest units."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{int(seconds // _MINUTE_S)} min {int(seconds % _MINUTE_S)} s"
    if seconds < _DAY_S:
        return f"{int(seconds // _HOUR_S)} h {int(seconds % _HOUR_S // _MINUTE_S)} min"
    return f"{int(seconds // _DAY_S)} d {int(seconds % _DAY_S // _HOUR_S)} h"


def _heading(job: Job) -> Text:
    version = f"@{job['version']}" if job["version"] is not None else ""
    lane = f"  {job['lane']} lane" if job["lane"] else ""
    deadline = f"  until {time_of(job['deadline'])}" if job["deadline"] else ""
    heading = Text(f"job {job['id']}", "bold")
    return heading.append(f"  {job['model']}{version}{lane}  priority {job['priority']}{deadline}", "not bold")


def _bar(job: Job) -> RenderableType:
    total = job["total"]
    share = f"{100 * _handled(job) / total:.1f}%" if total else ""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(
        Text(f"{job['state']:<8}", "bold"),
        ProgressBar(total=total or 1, completed=_handled(job), width=_BAR_COLUMNS, pulse=total is None),
        Text(f"{_handled(job):,} of {_total(job)}"),
        Text(share),
    )
    return grid


def _pace(job: Job) -> str:
    parts = [f"done {job['done']:,}", f"failed {job['failed']:,}"]
    if job["rate"]:
        parts += [_rate(job), _left(job)]
    return "   ".join(parts)


def _rate(job: Job) -> str:
    return f"{job['rate']:,.1f} items/s"


def _left(job: Job) -> str:
    return f"about {span_of(job['eta_s'])} left, until {job['estimated_end'][_TIME]}Z"


def _shards(job: Job) -> str:
    counts = job["shard_counts"]
    if counts is None:
        return "not planned yet"
    return f"shards: {counts['finished']} finished, {counts['running']} running, {counts['waiting']} waiting"


def _summary(job: Job) -> str:
    took = f" in {span_of(_took_s(job))}"
    if job["total"] is None:
        return f"job {job['id']} {job['state']}{took}"
    failed = f", {job['failed']:,} failed" if job["failed"] else ""
    return f"job {job['id']} {job['state']}{took}: {job['done']:,} of {job['total']:,} items have a result{failed}"


def _took_s(job: Job) -> float:
    created, ended = (datetime.fromisoformat(job[name]) for name in ("created_at", "updated_at"))
    return (ended - created).total_seconds()


def _next(job: Job) -> list[str]:
    if job["kind"] != "batch":
        return []
    where = f"--parts {job['id']}" if job["output"]["format"] == "parquet" else f"-o {job['id']}.jsonl"
    commands = [f"lambent jobs results {job['id']} {where}"] if job["done"] else []
    if job["failed"] > 1:
        commands.append(f"lambent jobs errors {job['id']}")
    return [*commands, f"lambent jobs retry {job['id']}"] if job["state"] != "SUCCEEDED" else commands


def _facts(job: Job) -> list[tuple[str, Any]]:
    waiting = job["waiting"]
    error = job["error"]
    handled = f"{_handled(job):,} of {_total(job)}: {job['done']:,} done, {job['failed']:,} failed"
    version = f"@{job['version']}" if job["version"] is not None else ""
    return [
        ("job", Text(job["id"], "bold")),
        ("state", Text(job["state"], _STYLES.get(job["state"], ""))),
        ("waiting", Text(f"{waiting['detail']} ({waiting['code']})", "yellow") if waiting is not None else None),
        ("error", Text(f"{error['detail']} ({error['code']})", "red") if error is not None else None),
        ("model", f"{job['model']}{version}"),
        ("lane", f"{job['lane']}: {job['why']}" if job["lane"] and job["why"] else job["lane"]),
        ("priority", job["priority"]),
        ("items", handled),
        ("pace", f"{_rate(job)}, {_left(job)}" if job["rate"] else None),
        ("shards", _shards(job).removeprefix("shards: ") if job["kind"] == "batch" else None),
        *cost_facts(job),
        ("deadline", time_of(job["deadline"]) if job["deadline"] else None),
        ("retry of", job["parent"]),
        ("created", time_of(job["created_at"])),
        ("changed", time_of(job["updated_at"])),
        ("webhook", _webhook(job.get("notification"))),
    ]


def _webhook(notification: Job | None) -> str | None:
    webhook = (notification or {}).get("webhook")
    if webhook is None:
        return None
    why = f": {webhook['last_error']}" if webhook.get("last_error") else ""
    return f"{webhook['state']} after {webhook['attempts']} attempts{why}"


def _handled(job: Job) -> int:
    return int(job["done"] + job["failed"])


def _total(job: Job) -> str:
    return "?" if job["total"] is None else f"{job['total']:,}"
