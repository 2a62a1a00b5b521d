"""Time the bare interpreter and PredictFunction's handler on the same work, in turns, in one process.

Started by path in the base interpreter with nothing but the layers to import, see `harness.run_program`. Arguments: a
JSON file with the works, and the file to answer into. With ``seconds`` in the works file each side runs alone for that
long and its calls are counted (throughput); otherwise the two take turns and every call is timed (latency).
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

TURN = 20
TOP = 5


class Context:
    """What the handler reads of a Lambda context."""

    function_name = "predict"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:predict"
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left, which a benchmark does not use up."""
        return 29_000


def main(works_file: str, answer_file: str) -> None:
    """Measure every work and write the figures."""
    import app

    plan = json.loads(Path(works_file).read_text())
    figures = {}
    for work in plan["works"]:
        sides = {"limit": bare(work), "handler": handled(app, work)}
        if "seconds" in plan:
            figures[work["name"]] = {name: rate(side, plan["seconds"]) for name, side in sides.items()}
        else:
            figures[work["name"]] = in_turns(sides, plan["calls"])
    Path(answer_file).write_text(json.dumps(figures))


def bare(work: dict[str, Any]) -> Callable[[], Any]:
    """Return the work without a server: what no server can be faster than."""
    interpreter = Interpreter(model_path=work["model_file"], num_threads=1)
    array = np.load(work["array_file"]) if "array_file" in work else None
    if array is not None:
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], array.shape)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]

    def run(ready: Any) -> Any:
        interpreter.set_tensor(source, ready)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    if array is not None:
        return lambda: run(array)
    jpeg = Path(work["jpeg_file"]).read_bytes()
    height, width = work["size"]

    def picture() -> Any:
        pixels = simplejpeg.decode_jpeg(jpeg, "RGB", min_height=height, min_width=width)
        small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        scores = run(np.asarray(small)[np.newaxis])[0]
        best = np.argpartition(scores, -TOP)[-TOP:]
        return best[np.argsort(-scores[best])]

    return picture


def handled(app: Any, work: dict[str, Any]) -> Callable[[], Any]:
    """Return the work through the handler; stops the program on any answer but 200."""
    event = json.loads(Path(work["event_file"]).read_text())

    def call() -> Any:
        answer = app.handler(event, Context())
        if answer["statusCode"] != 200:
            sys.exit(f"{work['name']}: the handler answered {answer['statusCode']}: {answer['body']}")
        return answer

    return call


def in_turns(sides: dict[str, Callable[[], Any]], calls: int) -> dict[str, list[float]]:
    """Return the milliseconds of every call, a few calls of each side at a time, so that both meet the same noise."""
    taken_ms: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        for _ in range(TURN):
            side()
    for _ in range(calls // TURN):
        for name, side in sides.items():
            for _ in range(TURN):
                start = time.perf_counter()
                side()
                taken_ms[name].append((time.perf_counter() - start) * 1000)
    return taken_ms


def rate(side: Callable[[], Any], seconds: float) -> float:
    """Return calls a second over ``seconds``; the clock starts at a whole period, the same one in every process."""
    side()
    start = (time.time() // seconds + 2) * seconds
    time.sleep(start - time.time())
    count = 0
    while time.time() < start + seconds:
        side()
        count += 1
    return count / seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
