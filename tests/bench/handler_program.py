"""Call PredictFunction's handler and measure; started by path in the base interpreter, see `harness.run_handler`.

Arguments: event file, answer file, number of warm calls, time.monotonic() of the parent when it started this process.
"""

import time

_FIRST_LINE_S = time.monotonic()  # the clock is the machine's, so the parent's value can be compared

import json  # noqa: E402
import sys  # noqa: E402
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


def main(event_file: str, answer_file: str, calls: str, started_s: str) -> None:
    """Import the handler, call it and write what was measured."""
    start = time.monotonic()
    import app

    imported = time.monotonic()
    event = json.loads(Path(event_file).read_text())
    first_ms, answer = timed_ms(app, event)
    figures = {
        "interpreter_ms": (_FIRST_LINE_S - float(started_s)) * 1000,
        "import_ms": (imported - start) * 1000,
        "first_ms": first_ms,
        "first_steps_ms": steps_ms(answer),
        "warm_ms": [timed_ms(app, event)[0] for _ in range(int(calls))],
    }
    Path(answer_file).write_text(json.dumps(figures))


def timed_ms(app: Any, event: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Call the handler once; stops the program on any answer but 200."""
    start = time.perf_counter()
    answer = app.handler(event, Context())
    taken_ms = (time.perf_counter() - start) * 1000
    if answer["statusCode"] != 200:
        sys.exit(f"the handler answered {answer['statusCode']}: {answer['body']}")
    return taken_ms, answer


def steps_ms(answer: dict[str, Any]) -> dict[str, float]:
    """Return the answer's Server-Timing."""
    (header,) = (values[0] for name, values in answer["multiValueHeaders"].items() if name.lower() == "server-timing")
    steps = (entry.split(";dur=") for entry in header.split(", "))
    return {name: float(duration) for name, duration in steps}


if __name__ == "__main__":
    main(*sys.argv[1:])
