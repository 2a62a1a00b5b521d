"""Shards through the worker against the same model without one: both lanes, two cores, batch sizes, memory.

Items are JPEG files of 160 to 320 pixels a side in a folder, which stands for S3: no network, no SDK. Both sides are
measured in turns in one process, on the same cores; medians. Processor time is what an item costs of all threads on
either side; on a busy machine its share is the one to read. What the steps beside the model cost bounds the share where
they have only the model's own processors: "at most". A GPU's host decodes on processors that the model leaves idle.
`--quick` takes a tenth of the items.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from networks import cut_crops

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from models import bench_model

PROGRAM = Path(__file__).with_name("worker_program.py")
PICTURES = 200
SHARD_ITEMS = 5_000
THREADS = 16
MICRO_BATCHES = (1, 2, 4, 8, 16, 32)


def main() -> None:
    """Run everything, one process at a time, and print the tables."""
    share = 10 if "--quick" in sys.argv else 1
    rounds = 5
    with TemporaryDirectory() as folder:
        for number, body in enumerate(cut_crops(PICTURES, seed=5).files):
            (Path(folder) / f"{number:05d}.jpg").write_bytes(body)
        photo, digits = str(bench_model("mobilenet")), str(bench_model("seed-cnn"))
        common: dict[str, Any] = {"pictures": folder, "threads": THREADS, "cores": [0], "rounds": rounds}
        lanes(common, photo, items=SHARD_ITEMS // share, rounds=rounds)
        two_workers(common, photo, items=1_000 // share, rounds=rounds)
        micro_batches(common, {"MobileNetV2 int8": photo, "seed CNN int8": digits}, items=1_000 // share)
        memory(common, digits)


def lanes(common: dict[str, Any], photo: str, *, items: int, rounds: int) -> None:
    """Print both lanes' rates, and what each step costs."""
    both = {
        "GPU lane, Keras, 2 cores, ready arrays": {
            **common, "model": "keras", "batch": 64, "cores": [0, 1], "items": items // rounds, "decoding": False,
        },
        "CPU lane, int8, 1 core, decoding first": {
            **common, "model": photo, "batch": 1, "items": items // rounds, "decoding": True,
        },
    }  # fmt: skip
    found = {name: call("throughput", request) for name, request in both.items()}
    table = plain_table(
        "MobileNetV2, items/s", "batch", "bare", "shard", "share", "at most", "processor ms", right=range(1, 7)
    )
    steps = plain_table("processor ms an item", "decode", "collate", "infer", "lines", right=(1, 2, 3, 4))
    for name, answer in found.items():
        bare, shard = median(answer["bare"]), median(answer["shard"])
        share = median(one / other for one, other in zip(answer["shard"], answer["bare"], strict=True))
        bare_ms, shard_ms = median(answer["bare_cpu_ms"]), median(answer["shard_cpu_ms"])
        taken = answer["steps_ms"]
        alone_ms = taken["infer"] + (taken["decode"] + taken["collate"] if both[name]["decoding"] else 0.0)
        bound = f"{alone_ms / sum(taken.values()):.0%}"
        spent = f"{bare_ms:.2f} and {shard_ms:.2f}: {bare_ms / shard_ms:.0%}"
        table.add_row(name, str(answer["size"]), f"{bare:.1f}", f"{shard:.1f}", f"{share:.0%}", bound, spent)
        steps.add_row(name, *(f"{taken[step]:.2f}" for step in ("decode", "collate", "infer", "answer")))
    screen().print(table)
    screen().print(steps)


def two_workers(common: dict[str, Any], photo: str, *, items: int, rounds: int) -> None:
    """Print what two processes on two cores do together, against one alone."""
    request = {**common, "model": photo, "batch": 1, "items": items}
    alone, together = [], []
    for _ in range(rounds):
        alone.append(sum(at_once(request, [0])))
        together.append(sum(at_once(request, [0, 1])))
    table = plain_table("CPU lane, items/s", "one core", "two cores", "times", right=(1, 2, 3))
    times = median(two / one for two, one in zip(together, alone, strict=True))
    table.add_row("MobileNetV2 int8", f"{median(alone):.0f}", f"{median(together):.0f}", f"{times:.2f}")
    screen().print(table)


def micro_batches(common: dict[str, Any], models: dict[str, str], *, items: int) -> None:
    """Print the CPU lane's rate by batch size."""
    table = plain_table("shard, items/s, batch of", *map(str, MICRO_BATCHES), right=range(1, len(MICRO_BATCHES) + 1))
    for name, model in models.items():
        rates = []
        for size in MICRO_BATCHES:
            request = {**common, "model": model, "batch": size, "items": items, "decoding": True}
            rates.append(median(call("throughput", request)["shard"]))
        table.add_row(name, *(f"{rate:.0f}" for rate in rates))
    screen().print(table)


def memory(common: dict[str, Any], model: str) -> None:
    """Print the peak memory of a small and a large shard."""
    table = plain_table("seed CNN int8, items", "peak MiB", right=(0, 1))
    for items in (1_000, 100_000):
        answer = call("memory", {**common, "model": model, "batch": 1, "items": items})
        table.add_row(f"{items:,}", f"{answer['peak_mib']:.1f}")
    screen().print(table)


def at_once(request: dict[str, Any], cores: list[int]) -> list[float]:
    """Return the rates of processes that start together, one on each core."""
    start_s = time.time() + 12
    started = [start("once", {**request, "cores": [core], "start_s": start_s}) for core in cores]
    return [answer_of(process)["shard"] for process in started]


def call(work: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return one process's answer."""
    return answer_of(start(work, request))


def start(work: str, request: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a process."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, str(PROGRAM), json.dumps({**request, "work": work})]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def answer_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a process and return what it answers; stops the benchmark if it failed."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a process of the benchmark ended with {process.returncode}")
    return dict(json.loads(output.splitlines()[-1]))


if __name__ == "__main__":
    main()
