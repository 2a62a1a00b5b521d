"""How a quote, and a job's estimate and receipt, look on a console."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lambent.domain.planning import dollars, duration, shown_rate
from lambent_toolkit.cli.tables import plain_table

Json = dict[str, Any]
_NAMES = {"cpu": "CPU (Lambda)", "gpu": "GPU (AWS Batch)"}


def quote_view(quote: Json) -> RenderableType:
    """Return a quote: both lanes beside each other, what the taken one costs in parts, and why it is taken."""
    estimate = quote["estimate"]
    about = "" if quote["is_total_exact"] else "about "
    heading = f"{quote['model']}@{quote['version']}  {about}{quote['total']:,} items ({quote['counted']})"
    taken = next(lane for lane in estimate["lanes"] if lane["lane"] == quote["lane"])
    blocks: list[RenderableType] = [Text(heading, "bold"), _lanes(estimate["lanes"], taken=quote["lane"])]
    if taken["parts"]:
        blocks += [Text(), Text(f"{_NAMES[quote['lane']]}, prices of {estimate['prices_of']}", "bold")]
        blocks.append(_parts(taken["parts"]))
    blocks += [Text(), Text(quote["why"])]
    blocks += [Text(f"Note: {note}", "dim") for note in estimate["notes"]]
    return Group(*blocks)


def cost_facts(job: Json) -> list[tuple[str, str]]:
    """Return what a job was expected to take and what it took, for those who look at it."""
    facts = []
    estimate, receipt = job.get("estimate"), job.get("receipt")
    if estimate is not None and estimate["seconds"] is not None:
        facts.append(("estimate", f"{duration(estimate['seconds'])}, {_usd(estimate['usd'])}"))
    if receipt is not None:
        work = "GB-s" if receipt["lane"] == "cpu" else "GPU-s"
        amount = receipt["gb_seconds"] if receipt["lane"] == "cpu" else receipt["gpu_seconds"]
        took = f"{receipt['seconds']:,.1f} s, {receipt['busy_s']:,.1f} s of work, {amount:,.1f} {work}"
        facts.append(("receipt", f"{took}, {_usd(receipt['usd'])}"))
    return facts


def _lanes(lanes: list[Json], *, taken: str) -> Table:
    table = plain_table("lane", "items/s", "from", "shards", "workers", "takes", "costs", right=(1, 3, 4))
    for lane in lanes:
        mark = " ←" if lane["lane"] == taken else ""
        if lane["reason"] is not None:
            table.add_row(_NAMES[lane["lane"]], "", f"no: {lane['reason']}", "", "", "", "")
            continue
        measured = lane["throughput"]
        table.add_row(
            f"{_NAMES[lane['lane']]}{mark}",
            shown_rate(measured["items_per_s"]) if measured else "",
            f"{measured['source']}, {measured['device']}" if measured else "not measured",
            f"{lane['shards']:,}",
            f"{lane['workers']:,}",
            duration(lane["seconds"]) if lane["seconds"] is not None else "?",
            _usd(lane["usd"]),
        )
    return _folding(table)


def _parts(parts: list[Json]) -> Table:
    table = plain_table("what", "quantity", "", "USD", right=(1, 3))
    for part in parts:
        table.add_row(part["what"], f"{part['quantity']:,.1f}", part["unit"], f"{part['usd']:.6f}")
    return _folding(table)


def _folding(table: Table) -> Table:
    """Return the table, of which nothing is cut off on a narrow screen."""
    for column in table.columns:
        column.no_wrap, column.overflow = False, "fold"
    return table


def _usd(usd: float | None) -> str:
    return "?" if usd is None else dollars(usd)
