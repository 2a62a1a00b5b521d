"""One digit prediction, warm: through HTTP on the local stack, inside the handler, and the bare interpreter."""

from __future__ import annotations

import base64
import json
from time import perf_counter

import httpx
from harness import EVENT, demo_stack, percentiles, run_handler

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.serving_check import serve
from lambent_toolkit.sandbox.stack_info import StackInfo

CALLS = 1000
WARM_UP_CALLS = 50


def main() -> None:
    """Measure the three and print the table."""
    artifact = build_demo_model(default_cache_dir())
    with demo_stack() as stack:
        http = percentiles(http_ms(stack))
        handler = percentiles(run_handler(stack, calls=WARM_UP_CALLS + CALLS).warm_ms[-CALLS:])
    bare = serve(artifact.files["model.tflite"], artifact.contract, [picture()])
    table = plain_table("one digit, PNG in, label out", "p50", "p99", right=(1, 2))
    table.add_row(f"through HTTP on the local stack, {CALLS} calls", *_cells(http))
    table.add_row(f"inside the handler, {CALLS} calls", *_cells(handler))
    table.add_row("the interpreter alone, tensor in, scores out", *_cells((bare.p50_ms, bare.p99_ms)))
    screen().print(table)


def picture() -> bytes:
    """Return the sample event's picture."""
    return base64.b64decode(json.loads(EVENT.read_text())["body"])


def http_ms(stack: StackInfo) -> list[float]:
    """Return the times of all calls, one after the other on one connection."""
    body, taken_ms = picture(), []
    headers = {"x-api-key": stack.api_key, "content-type": "image/png"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as client:
        for _ in range(WARM_UP_CALLS + CALLS):
            start = perf_counter()
            client.post("/models/digits/predict?top_k=3", content=body).raise_for_status()
            taken_ms.append((perf_counter() - start) * 1000)
    return taken_ms[WARM_UP_CALLS:]


def _cells(figures_ms: tuple[float, float]) -> tuple[str, str]:
    p50, p99 = figures_ms
    return f"{p50:.3f} ms", f"{p99:.3f} ms"


if __name__ == "__main__":
    main()
