"""One process of `bench_gpu.py`: a JSON request as its argument, a JSON answer on its last line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from worker_program import keras_mobilenet, prepare_shard, rate

from lambent.adapters import keras_backends
from lambent.services.find_batch_size import BatchSizeFinder

GPU_BATCHES = 100
# Without a GPU it is to be seen that everything runs, no more: half precision takes a processor very long.
CPU_BATCHES, CPU_ROUNDS, CPU_LARGEST = 2, 1, 8


def main() -> None:
    """Measure what the request names."""
    asked = json.loads(sys.argv[1])
    device = gpu_name()
    # Which way `compile_model` goes follows from what it sees; here from what is asked for.
    keras_backends.has_gpu = lambda: bool(asked["is_xla"])
    model = keras_mobilenet(is_half=asked["is_half"])
    prepare, collate, run = model.preprocessor.prepare, model.preprocessor.collate, model.interpreter.run
    files = [path.read_bytes() for path in sorted(Path(asked["pictures"]).glob("*.jpg"))]
    some = collate([prepare(body) for body in files[:8]])
    first_s = 8 / rate(lambda: run(some), 8)
    exact = keras_mobilenet().interpreter.run(some)
    differs_by = max(float(np.abs(answer - exact[name]).max()) for name, answer in run(some).items())
    size = BatchSizeFinder(lambda: 1 << 40).find(model, asked["largest"] if device else CPU_LARGEST)
    batches = max(2, GPU_BATCHES // asked["share"]) if device else CPU_BATCHES
    batch = collate([prepare(files[number % len(files)]) for number in range(size)])
    rates: dict[str, list[float]] = {"bare": [], "shard": []}
    items = size * batches
    with TemporaryDirectory() as folder:
        shards = prepare_shard(Path(folder), {**asked, "items": items})
        for number in range((asked["rounds"] if device else CPU_ROUNDS) + 1):
            bare = rate(lambda: [run(batch) for _ in range(batches)], items)
            shard = rate(lambda: shards(model, size), items)
            if number:  # the first round warms up
                rates["bare"].append(bare)
                rates["shard"].append(shard)
    print(json.dumps({**rates, "device": device, "size": size, "first_s": first_s, "differs_by": differs_by}))


def gpu_name() -> str | None:
    """Return the GPU that the backend computes on, or None."""
    if not keras_backends.has_gpu():
        return None
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow as tf

    details: dict[str, Any] = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return str(details.get("device_name", "GPU"))


if __name__ == "__main__":
    main()
