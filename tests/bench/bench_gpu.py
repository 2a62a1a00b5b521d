"""The worker's two backends on a GPU: images/s of a shard against ready arrays, by precision and with XLA or without.

One prepared run for a machine with a GPU and the worker's packages: `.venv/bin/python tests/bench/bench_gpu.py`. Where
no GPU is visible it says so and runs on the processors, in small, to show that it works: no figures of a GPU. Every
line is a process of its own. Bare is the model alone on arrays that are ready; the shard reads, decodes and writes
beside it, as the worker does. Both are measured in turns, medians. `--quick` takes a tenth of the items.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from networks import cut_crops

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table

PROGRAM = Path(__file__).with_name("gpu_program.py")
PICTURES = 200
ROUNDS = 5
LARGEST_BATCH = 1024


@dataclass(frozen=True)
class Choice:
    """What a process computes with."""

    backend: str
    is_half: bool
    is_xla: bool

    def __str__(self) -> str:
        return f"{self.backend}, {'half' if self.is_half else 'float32'}{', XLA' if self.is_xla else ''}"


# JAX knows no way but XLA. The worker takes XLA and, where the answers agree, half precision.
CHOICES = [
    *(Choice("tensorflow", is_half, is_xla) for is_half in (False, True) for is_xla in (False, True)),
    *(Choice("jax", is_half, is_xla=True) for is_half in (False, True)),
]


def main() -> None:
    """Run every choice and print one table."""
    table = plain_table(
        "MobileNetV2 224, images/s", "batch", "first call s", "bare", "shard", "share", "differs by", right=range(1, 7)
    )
    with TemporaryDirectory() as folder:
        for number, body in enumerate(cut_crops(PICTURES, seed=5).files):
            (Path(folder) / f"{number:05d}.jpg").write_bytes(body)
        devices = {choice: add_row(table, choice, folder) for choice in CHOICES}
    for choice, device in devices.items():
        seen = device or "no GPU visible: the figures are of this machine's processors and say nothing of a GPU"
        screen().print(f"{choice}: {seen}", highlight=False)
    screen().print(table)


def add_row(table: Any, choice: Choice, folder: str) -> str | None:
    """Measure one choice; return the name of the GPU that it ran on, if it did."""
    found = call(choice, folder)
    share = median(one / other for one, other in zip(found["shard"], found["bare"], strict=True))
    table.add_row(
        str(choice),
        str(found["size"]),
        f"{found['first_s']:.1f}",
        f"{median(found['bare']):.0f}",
        f"{median(found['shard']):.0f}",
        f"{share:.0%}",
        f"{found['differs_by']:.1e}",
    )
    return found["device"]


def call(choice: Choice, folder: str) -> dict[str, Any]:
    """Return one process's answer; stops the benchmark if it failed."""
    asked = {
        "pictures": folder, "threads": 2 * (os.cpu_count() or 1), "cores": sorted(os.sched_getaffinity(0)),
        "rounds": ROUNDS, "largest": LARGEST_BATCH, "is_half": choice.is_half, "is_xla": choice.is_xla,
        "model": "keras", "share": 10 if "--quick" in sys.argv else 1,
    }  # fmt: skip
    environment = {**os.environ, "KERAS_BACKEND": choice.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, str(PROGRAM), json.dumps(asked)]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{choice}: the process ended with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
