"""One process of `bench_worker.py`: a JSON request as its argument, a JSON answer on its last line."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from folder_store import FolderStore

from lambent.adapters.host import step_behind
from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.model import ModelContract
from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.model import ModelRef
from lambent.domain.preprocessing import make_preprocessor
from lambent.domain.preprocessing.padding import Padding
from lambent.runtime.clock import SystemClock
from lambent.services.answer_batch import answer_batch
from lambent.services.find_batch_size import BatchSizeFinder
from lambent.services.load_model import ServedModel
from lambent.services.prepare_items import PreparingLimits, ReadyItem
from lambent.services.run_shard import ShardService
from lambent.services.spool_items import ItemSpool
from lambent.services.version_files import decode_contract
from lambent_toolkit.fakes import FakeJobStore

REF = ModelRef("bench", 1)
TENANT, JOB = "bench", "job"
SEED = 7


class OneModel:
    """A model cache that has its model already."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def get(self, ref: ModelRef) -> ServedModel:
        """Return it."""
        return self._model


def main() -> None:
    """Do what the request says."""
    asked = json.loads(sys.argv[1])
    os.sched_setaffinity(0, asked["cores"])
    print(json.dumps(WORKS[asked["work"]](asked)))


def throughput(asked: dict[str, Any]) -> dict[str, Any]:
    """Measure the model without a worker, and a shard of files, in turns; of each round items/s and processor time.

    On a machine with other work only processor time tells the truth: a process of many threads gets a larger share.
    """
    model, size = load(asked)
    files = [path.read_bytes() for path in sorted(Path(asked["pictures"]).glob("*.jpg"))]
    ready = [model.preprocessor.prepare(body) for body in files[:size]]
    batch = model.preprocessor.collate(ready)
    with TemporaryDirectory() as folder:
        shards = prepare_shard(Path(folder), asked)
        rates: dict[str, list[float]] = {"bare": [], "shard": [], "bare_cpu_ms": [], "shard_cpu_ms": []}
        for number in range(asked["rounds"] + 1):
            at_s = [time.process_time()]
            bare = bare_loop(model, files, batch, asked, size)
            at_s.append(time.process_time())
            shard = rate(lambda: shards(model, size), asked["items"])
            at_s.append(time.process_time())
            if number:  # the first round warms up
                rates["bare"].append(bare)
                rates["shard"].append(shard)
                rates["bare_cpu_ms"].append((at_s[1] - at_s[0]) * 1000 / (asked["items"] // size * size))
                rates["shard_cpu_ms"].append((at_s[2] - at_s[1]) * 1000 / asked["items"])
    return {**rates, "size": size, "steps_ms": steps_ms(model, files, asked, size)}


def bare_loop(model: ServedModel, files: list[bytes], batch: dict[str, Any], asked: dict[str, Any], size: int) -> float:
    """Return items/s of the interpreter alone; with ``decoding`` each item is decoded first, in the same thread."""
    run, prepare, collate = model.interpreter.run, model.preprocessor.prepare, model.preprocessor.collate

    def ready() -> None:
        for _ in range(asked["items"] // size):
            run(batch)

    def decoding() -> None:
        for at in range(0, asked["items"], size):
            run(collate([prepare(files[(at + more) % len(files)]) for more in range(size)]))

    return rate(decoding if asked["decoding"] else ready, asked["items"] // size * size)


def steps_ms(model: ServedModel, files: list[bytes], asked: dict[str, Any], size: int) -> dict[str, float]:
    """Return the processor time of an item in each step, of all threads, with nothing else running in this process."""
    some = files[:64]
    items = [ShardItem(id=str(number), line=1, key="x") for number in range(size)]
    prepared = [model.preprocessor.prepare(body) for body in some]
    batch = (prepared * size)[:size]
    inputs = model.preprocessor.collate(batch)
    lines = [ReadyItem(number, items[number], batch[number], None) for number in range(size)]
    answers = model.interpreter.run(inputs)
    answered = replace(model, interpreter=Answered(answers))
    return {
        "decode": processor_ms(lambda: [model.preprocessor.prepare(body) for body in some], len(some)),
        "collate": processor_ms(lambda: model.preprocessor.collate(batch), size),
        "infer": processor_ms(lambda: model.interpreter.run(inputs), size),
        "answer": processor_ms(lambda: answer_batch(answered, lines, Padding(size, has_few_lengths=False)), size),
    }


class Answered:
    """An interpreter that has its answers already."""

    platform = "none"

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return them."""
        return self._answers


def processor_ms(act: Callable[[], object], items: int) -> float:
    """Return the median of a few runs."""
    found = []
    for _ in range(5):
        start_s = time.process_time()
        act()
        found.append((time.process_time() - start_s) * 1000 / items)
    return median(found)


def run_once(asked: dict[str, Any]) -> dict[str, Any]:
    """Run one shard from a moment on that several processes are told; items/s."""
    model, size = load(asked)
    with TemporaryDirectory() as folder:
        shards = prepare_shard(Path(folder), asked)
        shards(model, size)
        time.sleep(max(0.0, asked["start_s"] - time.time()))
        return {"shard": rate(lambda: shards(model, size), asked["items"])}


def memory(asked: dict[str, Any]) -> dict[str, Any]:
    """Run one shard; peak memory in MiB, before it and in the end."""
    model, size = load(asked)
    with TemporaryDirectory() as folder:
        shards = prepare_shard(Path(folder), asked)
        before_mib = _peak_mib()
        shards(model, size)
    return {"before_mib": before_mib, "peak_mib": _peak_mib()}


def _peak_mib() -> float:
    """Return this program's peak; ru_maxrss would begin with that of the process which started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def rate(act: Callable[[], object], items: int) -> float:
    """Return items/s."""
    start_s = time.perf_counter()
    act()
    return items / (time.perf_counter() - start_s)


def load(asked: dict[str, Any]) -> tuple[ServedModel, int]:
    """Return the model, and the size of its batches: the one asked for, or on Keras what the warm-up finds."""
    if asked["model"] == "keras":
        model = keras_mobilenet()
        return model, BatchSizeFinder(lambda: 1 << 40).find(model, asked["batch"])
    from lambent.adapters.litert import LiteInterpreterLoader

    folder = Path(asked["model"])
    contract = decode_contract((folder / "contract.json").read_bytes())
    interpreter = LiteInterpreterLoader().load(folder / "model.tflite", contract)
    return ServedModel(REF, contract, interpreter, make_preprocessor(contract, {}), 1), asked["batch"]


def keras_mobilenet(*, is_half: bool = False) -> ServedModel:
    """Return a MobileNetV2 with random weights on the worker's own adapter; ``is_half``: computing in 16 bits."""
    import keras
    from networks import photo_contract

    from lambent.adapters.keras_model import KerasInterpreter
    from lambent.adapters.keras_precision import in_half_precision

    contract: ModelContract = photo_contract()
    keras.utils.set_random_seed(SEED)
    image = keras.Input((224, 224, 3), name="image", dtype="uint8")
    network = keras.applications.MobileNetV2(weights=None)
    model = keras.Model(image, network(keras.layers.Rescaling(1 / 127.5, offset=-1.0)(image)))
    interpreter = KerasInterpreter(in_half_precision(model) if is_half else model, contract)
    return ServedModel(REF, contract, interpreter, make_preprocessor(contract, {}), 1)


def prepare_shard(folder: Path, asked: dict[str, Any]) -> Callable[[ServedModel, int], None]:
    """Write a job of one shard whose items are the pictures again and again; return what runs it from its beginning."""
    data, clock, count = FolderStore(folder), SystemClock(), asked["items"]
    pictures = sorted(Path(asked["pictures"]).glob("*.jpg"))
    (folder / "inputs").symlink_to(asked["pictures"])
    with ItemSpool() as spool:
        spool.add_all(
            ShardItem(id=f"i{number:06d}", line=number + 1, key=f"inputs/{pictures[number % len(pictures)].name}")
            for number in range(count)
        )
        spool.upload(data, f"jobs/{TENANT}/{JOB}/{spool.file_name}")
        plan = Plan(
            tenant=TENANT, job_id=JOB, model=REF.name, version=REF.version, lane="cpu", total=count, shards=1,
            shard_items=count, items_file=spool.file_name, offsets=spool.offsets(count), concurrency=1,
            output=OutputOptions(), accepted_at=clock.now(), expires_at_s=1, why="bench",
        )  # fmt: skip
    data.write(f"jobs/{TENANT}/{JOB}/plan.json", msgspec.json.encode(plan), content_type="application/json")
    behind = {"on_start": step_behind} if asked["model"] == "keras" else {}  # as the worker, and InferFunction not
    limits = PreparingLimits(threads=asked["threads"], decoders=len(asked["cores"]), **behind)

    def run(model: ServedModel, size: int) -> None:
        jobs = FakeJobStore()
        jobs.create(Job(TENANT, JOB, JobState.PLANNED, "bench", "", "", clock.now(), clock.now(), 1))
        (folder / f"jobs/{TENANT}/{JOB}/part-00000.jsonl").unlink(missing_ok=True)
        service = ShardService(
            data=data, jobs=jobs, models=OneModel(model), clock=clock, batch_size=size, limits=limits,
            is_compiled=asked["model"] == "keras",
        )  # fmt: skip
        service.run(TENANT, JOB, 0)

    return run


WORKS = {"throughput": throughput, "once": run_once, "memory": memory}

if __name__ == "__main__":
    main()
