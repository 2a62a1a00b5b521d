"""Cold start of predict: from starting the process to its first answer, and the steps of it; medians.

The limit is a process that imports the same third-party modules, no more and no fewer, and loads the same model file
from disk. With `--against FOLDER` another build (what `sam build` made of another state of the sources) runs in turns
with this one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from harness import build, demo_stack, predict_environment, sample_event

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.sandbox.function_spec import base_interpreter
from lambent_toolkit.sandbox.stack_info import StackInfo

PROGRAM = Path(__file__).with_name("cold_start_program.py")
ROUNDS = 11
STRICT = ["numpy", "ai_edge_litert.interpreter"]
_IMPORT_LINE = "import time:"


@dataclass(frozen=True)
class ColdStart:
    """One process; milliseconds.

    Parameters
    ----------
    steps_ms   by step, in their order
    total_ms   from starting the process to the end of the last step
    cpu_ms     processor time, which says more than the clock where others use the machine too
    modules    third-party modules that were imported, in their order
    """

    steps_ms: dict[str, float]
    total_ms: float
    cpu_ms: float
    modules: list[str]


def main() -> None:
    """Run every kind of process in turns and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="folder of another build, to compare with")
    against = parser.parse_args().against
    console = screen()
    with demo_stack() as stack, TemporaryDirectory() as name, ConsoleWatcher(console) as watcher:
        kinds = _kinds(stack, Path(name), against)
        watcher.begin("cold starts", total=ROUNDS * len(kinds))
        runs: dict[str, list[ColdStart]] = defaultdict(list)
        for _ in range(ROUNDS):
            for kind, run in kinds.items():
                runs[kind].append(run())
                watcher.advance(f"{runs[kind][-1].total_ms:.0f} ms, {kind}")
        packages = [import_times(stack, Path(name)) for _ in range(ROUNDS)]
    _print(console, runs, packages)


def _kinds(stack: StackInfo, folder: Path, against: Path | None) -> dict[str, Callable[[], ColdStart]]:
    shipped = build().folder
    event = {"event": sample_event(stack)}
    model = folder / "model.tflite"
    model.write_bytes(build_demo_model(default_cache_dir()).files["model.tflite"])
    same = run(stack, shipped, event).modules
    kinds: dict[str, Callable[[], ColdStart]] = {
        "shipped": lambda: run(stack, shipped, event),
        "preloaded": lambda: run(stack, shipped, event, PRELOAD_MODELS="digits"),
        "bare": lambda: run(stack, shipped, {"modules": same, "model": str(model)}),
        "strict": lambda: run(stack, shipped, {"modules": STRICT, "model": str(model)}),
    }
    if against is not None:
        # Older builds had Powertools' tracer, which has no daemon to talk to here, and its metrics, which need a name;
        # and they knew no automatic number of threads.
        powertools = {"POWERTOOLS_TRACE_DISABLED": "1", "POWERTOOLS_METRICS_NAMESPACE": "Lambent"}
        older = {**powertools, "POWERTOOLS_SERVICE_NAME": "lambent", "INTERPRETER_THREADS": "1"}
        kinds["before"] = lambda: run(stack, against, event, **older)
    return kinds


def run(stack: StackInfo, built: Path, plan: dict[str, Any], **variables: str) -> ColdStart:
    """Run the program once in a process of its own, with the environment that Lambda would give it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plan.json").write_text(json.dumps(plan))
        _run(stack, built, folder, [], variables)
        return ColdStart(**json.loads((folder / "answer.json").read_text()))


def import_times(stack: StackInfo, folder: Path) -> dict[str, float]:
    """Return the milliseconds of all imports of a first answer, by package; the standard library is one."""
    (folder / "plan.json").write_text(json.dumps({"event": sample_event(stack)}))
    report = _run(stack, build().folder, folder, ["-X", "importtime"], {})
    packages = {module.partition(".")[0] for module in json.loads((folder / "answer.json").read_text())["modules"]}
    times: dict[str, float] = defaultdict(float)
    for line in report.splitlines():
        if line.startswith(_IMPORT_LINE) and "self [us]" not in line:
            own_us, _, module = (part.strip() for part in line.removeprefix(_IMPORT_LINE).split("|"))
            package = module.partition(".")[0]
            name = package if package in packages or package == "lambent" else "standard library, runtime, function"
            times[name] += int(own_us) / 1000
    return times


def _run(stack: StackInfo, built: Path, folder: Path, flags: list[str], variables: dict[str, str]) -> str:
    environment, task_root = predict_environment(stack, built, folder)
    files = [str(folder / "plan.json"), str(folder / "answer.json")]
    command = [base_interpreter(), "-S", "-s", "-P", *flags, str(PROGRAM), *files, repr(monotonic())]
    done = subprocess.run(
        command, env=environment | variables, cwd=task_root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}")
    return done.stderr


def _print(console: Any, runs: dict[str, list[ColdStart]], packages: list[dict[str, float]]) -> None:
    columns = [kind for kind in ("before", "shipped", "preloaded") if kind in runs]
    table = plain_table("step", *columns, right=tuple(range(1, len(columns) + 1)))
    for step in runs["shipped"][0].steps_ms:
        table.add_row(step, *(f"{median(each.steps_ms[step] for each in runs[kind]):.0f} ms" for kind in columns))
    table.add_row("process start to first answer", *(f"{_total(runs[kind]):.0f} ms" for kind in columns), style="bold")
    table.add_row("processor time of it", *(f"{_cpu(runs[kind]):.0f} ms" for kind in columns))
    console.print(table)
    limits = plain_table("limit", "median", "shipped is", "processor time", "shipped is", right=(1, 2, 3, 4))
    for kind, text in (("bare", "bare imports (the same modules) + load"), ("strict", "NumPy and LiteRT + load")):
        clock, cpu = _total(runs[kind]), _cpu(runs[kind])
        ratios = [f"{_total(runs['shipped']) / clock:.2f} x", f"{_cpu(runs['shipped']) / cpu:.2f} x"]
        limits.add_row(text, f"{clock:.0f} ms", ratios[0], f"{cpu:.0f} ms", ratios[1])
    console.print(limits)
    console.print(_describe(runs["bare"][0].modules))
    imports = plain_table("imports of the first answer, by package", "median", right=(1,))
    medians = {name: median(times.get(name, 0.0) for times in packages) for name in packages[0]}
    for name, taken_ms in sorted(medians.items(), key=lambda item: -item[1]):
        if taken_ms >= 1:
            imports.add_row(name, f"{taken_ms:.0f} ms")
    console.print(imports)


def _total(runs: list[ColdStart]) -> float:
    return median(each.total_ms for each in runs)


def _cpu(runs: list[ColdStart]) -> float:
    return median(each.cpu_ms for each in runs)


def _describe(modules: list[str]) -> str:
    packages = sorted({module.partition(".")[0] for module in modules})
    return f"The same modules: {len(modules)}, of {', '.join(packages)}."


if __name__ == "__main__":
    main()
