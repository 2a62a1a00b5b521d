"""What the benchmarks share: a stack with the demo model, a function's process, percentiles."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np

from lambent_toolkit.demo.local import own_stack
from lambent_toolkit.modelkit.demo_model import publish_demo_model
from lambent_toolkit.sandbox.build import Build, make_build
from lambent_toolkit.sandbox.function_spec import FunctionSpec, RuntimePaths, base_interpreter, process_environment
from lambent_toolkit.sandbox.local_stack import stack_options
from lambent_toolkit.sandbox.stack_info import StackInfo

ROOT = Path(__file__).parents[2]
EVENT = ROOT / "events" / "predict.png.json"
UNTHROTTLED = {
    "RequestsPerSecond": "10000",
    "RequestBurst": "5000",
    "StageRequestsPerSecond": "10000",
    "StageRequestBurst": "5000",
}
PROGRAM = Path(__file__).with_name("handler_program.py")


@dataclass(frozen=True)
class HandlerRun:
    """One process of PredictFunction's handler, without a runtime client around it; milliseconds.

    Parameters
    ----------
    interpreter_ms   from starting the process to its first line of Python
    import_ms        importing the handler's module
    first_ms         the first call, with clients, model load and prediction
    first_steps_ms   what the first answer's Server-Timing says
    warm_ms          every later call
    """

    interpreter_ms: float
    import_ms: float
    first_ms: float
    first_steps_ms: dict[str, float]
    warm_ms: list[float]

    @property
    def cold_ms(self) -> float:
        """Process start to first answer."""
        return self.interpreter_ms + self.import_ms + self.first_ms


@contextmanager
def demo_stack(*, is_throttled: bool = False) -> Iterator[StackInfo]:
    """Run a local stack with the demo model as the live version."""
    with own_stack(parameters={} if is_throttled else UNTHROTTLED) as stack:
        publish_demo_model(stack)
        yield stack


@cache
def build() -> Build:
    """Return what `sam build` made of this tree."""
    return make_build(stack_options(ROOT / ".lambent"), print)


def run_handler(stack: StackInfo, *, calls: int) -> HandlerRun:
    """Call PredictFunction's handler in a process of its own, with the environment that Lambda would give it.

    Parameters
    ----------
    stack   where the handler finds its table and bucket
    calls   warm calls after the first
    """
    built = build()
    with TemporaryDirectory() as folder:
        answer, event = Path(folder) / "answer.json", Path(folder) / "event.json"
        event.write_text(json.dumps(sample_event(stack)))
        environment, task_root = predict_environment(stack, built.folder, Path(folder))
        command = [base_interpreter(), "-S", "-s", "-P", str(PROGRAM), str(event), str(answer), str(calls)]
        subprocess.run(
            [*command, repr(monotonic())],
            env=environment,
            cwd=task_root,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return HandlerRun(**json.loads(answer.read_text()))


def run_program(stack: StackInfo, program: Path, plan: dict[str, Any]) -> Any:
    """Run a benchmark's program with nothing but PredictFunction's code, layers and environment.

    Parameters
    ----------
    stack     where the handler finds its table and bucket
    program   takes two files: the plan, as JSON, and where it leaves its answer, as JSON
    """
    built = build()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plan.json").write_text(json.dumps(plan))
        environment, task_root = predict_environment(stack, built.folder, folder)
        files = [str(folder / "plan.json"), str(folder / "answer.json")]
        done = subprocess.run(
            [base_interpreter(), "-S", "-s", "-P", str(program), *files],
            env=environment,
            cwd=task_root,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        return json.loads((folder / "answer.json").read_text())


def percentiles(values_ms: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p99."""
    p50, p99 = np.percentile(values_ms, (50, 99))
    return float(p50), float(p99)


def sample_event(stack: StackInfo) -> dict[str, Any]:
    """Return the sample event as this stack's API key sends it."""
    event: dict[str, Any] = json.loads(EVENT.read_text())
    event["requestContext"]["identity"]["apiKeyId"] = stack.api_key_id
    return event


def predict_environment(stack: StackInfo, built: Path, home: Path) -> tuple[dict[str, str], Path]:
    """Return the environment and the code folder that Lambda would give PredictFunction of a build.

    Parameters
    ----------
    stack   where the handler finds its table and bucket
    built   what `sam build` made
    home    the process's private /tmp
    """
    spec = _predict_spec(stack, built)
    paths = RuntimePaths(build().runtime_dir, home)
    environment = process_environment(spec, paths=paths, endpoint=stack.endpoint, runtime_api="127.0.0.1:1", home=home)
    return environment, spec.task_root


def _predict_spec(stack: StackInfo, built: Path) -> FunctionSpec:
    client: Any = stack.client("lambda")
    configuration = client.get_function_configuration(FunctionName=stack.functions["predict"])
    return FunctionSpec(
        logical_id="PredictFunction",
        name=configuration["FunctionName"],
        handler=configuration["Handler"],
        task_root=built / "PredictFunction",
        layer_paths=tuple(built / layer / "python" for layer in ("CoreLayer", "NumericLayer")),
        timeout_s=configuration["Timeout"],
        memory_mib=configuration["MemorySize"],
        environment=configuration["Environment"]["Variables"],
    )
