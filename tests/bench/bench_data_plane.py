"""The data plane against the bare interpreter, in one run: inside the handler, through HTTP, and with two workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from data_plane_works import Work, works
from harness import demo_stack, percentiles, run_program
from rich.table import Table

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.sandbox.stack_info import StackInfo
from models import bench_model, publish_bench_model

PROGRAM = Path(__file__).with_name("data_plane_program.py")
CALLS = 1000
HTTP_CALLS = 400
WARM_UP_CALLS = 40
SECONDS = 5.0
WORKERS = 2


def main() -> None:
    """Measure and print the tables."""
    chosen = works()
    for model in {work.model for work in chosen}:
        bench_model(model)
    with demo_stack() as stack, TemporaryDirectory() as name:
        for model in {work.model for work in chosen}:
            publish_bench_model(stack, model)
        entries = [work.write(Path(name), api_key_id=stack.api_key_id) for work in chosen]
        figures = run_program(stack, PROGRAM, {"works": entries, "calls": CALLS})
        http = {work.name: http_ms(stack, work) for work in chosen}
        screen().print(latency_table(chosen, figures, http))
        screen().print(throughput_table(stack, entries[:2]))


def latency_table(chosen: list[Work], figures: dict[str, Any], http: dict[str, list[float]]) -> Table:
    """Return limit, handler and HTTP by work: warm, one call at a time; HTTP's ``over`` is over the handler."""
    columns = ("limit", "handler", "ratio", "over", "goal", "HTTP", "over")
    table = plain_table("p50 in ms", *columns, right=tuple(range(1, 8)))
    for work in chosen:
        limit, _ = percentiles(figures[work.name]["limit"])
        handler, _ = percentiles(figures[work.name]["handler"])
        whole, _ = percentiles(http[work.name])
        table.add_row(
            work.name,
            f"{limit:.3f}",
            f"{handler:.3f}",
            f"{handler / limit:.2f} x",
            f"{handler - limit:.3f}",
            work.goal,
            f"{whole:.3f}",
            f"{whole - handler:.3f}",
        )
    return table


def throughput_table(stack: StackInfo, entries: list[dict[str, Any]]) -> Table:
    """Return calls a second of two processes at once, bare and through the handler."""
    table = plain_table(f"{WORKERS} at once, a second", "bare", "handler", "share", right=(1, 2, 3))
    for entry in entries:
        runs = both(stack, {"works": [entry], "seconds": SECONDS})
        bare, handler = (sum(run[entry["name"]][side] for run in runs) for side in ("limit", "handler"))
        table.add_row(entry["name"], f"{bare:.0f}", f"{handler:.0f}", f"{handler / bare:.0%}")
    return table


def both(stack: StackInfo, plan: dict[str, Any]) -> list[Any]:
    """Run the program in several processes at once."""
    with ThreadPoolExecutor(WORKERS) as threads:
        return list(threads.map(lambda _: run_program(stack, PROGRAM, plan), range(WORKERS)))


def http_ms(stack: StackInfo, work: Work) -> list[float]:
    """Return the milliseconds of calls through the local stack's HTTP door, on one connection."""
    address = urlsplit(stack.url)
    connection = HTTPConnection(address.netloc)
    headers = {"x-api-key": stack.api_key, **work.headers}
    taken_ms = []
    for _ in range(WARM_UP_CALLS + HTTP_CALLS):
        start = perf_counter()
        connection.request("POST", address.path + work.path, work.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        taken_ms.append((perf_counter() - start) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{work.name}: {answer.status} {body[:300]!r}")
    connection.close()
    return taken_ms[WARM_UP_CALLS:]


if __name__ == "__main__":
    main()
