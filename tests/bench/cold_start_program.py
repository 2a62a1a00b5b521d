"""One cold start, step by step; started by path in the base interpreter, see `bench_cold_start`.

Arguments: plan file, answer file, time.monotonic() of the parent when it started this process.
"""

import time

_FIRST_LINE_S = time.monotonic()  # the clock is the machine's, so the parent's value can be compared

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402


class Context:
    """What the handler reads of a Lambda context."""

    function_name = "predict"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:predict"
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left, which a benchmark does not use up."""
        return 29_000


class Steps(dict[str, float]):
    """Milliseconds by step."""

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time of a block to a step."""
        start_s = time.monotonic()
        yield
        self[name] = self.get(name, 0.0) + (time.monotonic() - start_s) * 1000


def main(plan_file: str, answer_file: str, started_s: str) -> None:
    """Do what the plan says, and write what was measured."""
    plan = json.loads(Path(plan_file).read_text())
    steps = Steps(process=(_FIRST_LINE_S - float(started_s)) * 1000)
    if "event" in plan:
        answer_first_request(plan["event"], steps)
    else:
        load_bare(plan["modules"], plan["model"], steps)
    total_ms = (time.monotonic() - float(started_s)) * 1000
    cpu_ms = time.process_time() * 1000
    answer = {"steps_ms": steps, "total_ms": total_ms, "cpu_ms": cpu_ms, "modules": third_party_modules()}
    Path(answer_file).write_text(json.dumps(answer))


def answer_first_request(event: dict[str, Any], steps: Steps) -> None:
    """Do what Lambda does from the start of a process to the first answer."""
    with steps.measure("import of Lambda's runtime client"):
        import_module("awslambdaric.bootstrap")
    with steps.measure("import of the function"):
        app = import_module("app")
    with steps.measure("clients of DynamoDB and S3"):
        from lambent.adapters import clients

        clients.table(os.environ["TABLE_NAME"])
        clients.client("s3")
    measure_downloads(steps)
    first = Steps()
    with first.measure("call"):
        answer = app.handler(event, Context())
    if answer["statusCode"] != 200:
        sys.exit(f"the handler answered {answer['statusCode']}: {answer['body']}")
    timing = server_timing(answer)
    steps["resolve of the label"] = timing["resolve"]
    steps["load and verification"] = timing["load"] - steps.setdefault("download of the version's files", 0.0)
    steps["rest of the first call"] = first["call"] - timing["resolve"] - timing["load"]


def measure_downloads(steps: Steps) -> None:
    """Measure what the object store reads from now on."""
    from lambent.adapters.s3 import S3ObjectStore

    for name in ("read", "download"):
        original = getattr(S3ObjectStore, name, None)
        if original is not None:
            setattr(S3ObjectStore, name, measured(original, steps))


def measured(original: Any, steps: Steps) -> Any:
    """Return the method with its time measured."""

    def call(*arguments: Any, **options: Any) -> Any:
        with steps.measure("download of the version's files"):
            return original(*arguments, **options)

    return call


def server_timing(answer: dict[str, Any]) -> dict[str, float]:
    """Return the answer's Server-Timing, milliseconds by step."""
    (header,) = (values[0] for name, values in answer["multiValueHeaders"].items() if name.lower() == "server-timing")
    return {name: float(duration) for name, duration in (entry.split(";dur=") for entry in header.split(", "))}


def load_bare(modules: list[str], model: str, steps: Steps) -> None:
    """Import modules and load a model file from disk, and nothing else."""
    with steps.measure("imports"):
        for module in modules:
            import_module(module)
        from ai_edge_litert.interpreter import Interpreter
    with steps.measure("load"):
        Interpreter(model_path=model).allocate_tensors()


def third_party_modules() -> list[str]:
    """Return the layers' modules that are imported now but ours, in the order of their imports."""
    folders = tuple(folder for folder in os.environ["PYTHONPATH"].split(":") if "Layer" in folder)
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    return [name for name, file in files.items() if file.startswith(folders) and not name.startswith("lambent")]


if __name__ == "__main__":
    main(*sys.argv[1:])
