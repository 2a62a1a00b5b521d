"""Cold start of predict: from starting the process to its first answer, and the parts of it; medians."""

from __future__ import annotations

from statistics import median

from harness import HandlerRun, demo_stack, run_handler

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.cli.watch import ConsoleWatcher

ROUNDS = 9


def main() -> None:
    """Run every round in a process of its own and print the table."""
    console = screen()
    with demo_stack() as stack, ConsoleWatcher(console) as watcher:
        watcher.begin("cold starts", total=ROUNDS)
        runs: list[HandlerRun] = []
        for _ in range(ROUNDS):
            runs.append(run_handler(stack, calls=0))
            watcher.advance(f"{runs[-1].cold_ms:.0f} ms")
    table = plain_table("part", "median", right=(1,))
    for part, taken_ms in _parts(runs).items():
        table.add_row(part, f"{taken_ms:.1f} ms")
    console.print(table)


def _parts(runs: list[HandlerRun]) -> dict[str, float]:
    steps = {f"    {name}": median(run.first_steps_ms[name] for run in runs) for name in runs[0].first_steps_ms}
    return {
        "process start to first line": median(run.interpreter_ms for run in runs),
        "import of the handler": median(run.import_ms for run in runs),
        "first call": median(run.first_ms for run in runs),
        **steps,
        "process start to first answer": median(run.cold_ms for run in runs),
    }


if __name__ == "__main__":
    main()
