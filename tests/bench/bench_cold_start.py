"""Cold start of predict: from starting the process to its first answer, and the parts of it; medians."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from harness import HandlerRun, demo_stack, run_handler

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.cli.watch import ConsoleWatcher

ROUNDS = 9


def main() -> None:
    """Run every round in a process of its own and print the table."""
    console = screen()
    with demo_stack() as stack, TemporaryDirectory() as kept, ConsoleWatcher(console) as watcher:
        run_handler(stack, calls=0, bytecode=Path(kept))  # fills the folder
        watcher.begin("cold starts", total=2 * ROUNDS)
        runs: dict[str, list[HandlerRun]] = {"compiled": [], "not compiled": []}
        for _ in range(ROUNDS):
            for kind, folder in (("compiled", Path(kept)), ("not compiled", None)):
                runs[kind].append(run_handler(stack, calls=0, bytecode=folder))
                watcher.advance(f"{runs[kind][-1].cold_ms:.0f} ms, {kind}")
    table = plain_table("part", "bytecode there", "no bytecode", right=(1, 2))
    for part in _parts(runs["compiled"]):
        table.add_row(part, *(f"{_parts(of_kind)[part]:.1f} ms" for of_kind in runs.values()))
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
