"""Run model files where only a layer's packages are: started by path from `serving_check`, in the base interpreter.

Usage: ``serving_program.py FOLDER STEP…``, the steps of one run, in one process or in several:

=================  ====================================================================================================
prepare            preprocess the raw items of ``items.npz`` (golden vectors without tensors): ``tensors/{number}.npy``,
                   one file an input in the contract's order, and ``prepared.json`` with where this process runs; of a
                   model that takes tensors, those files lie there already
predict:VARIANT    load ``variants/VARIANT.tflite`` and answer all rows: ``VARIANT.npz`` (arrays by output) and
                   ``VARIANT.json``; if it is refused, ``VARIANT.json`` with ``{"refused": {"code", "detail"}}`` only
time:V1,V2…        time single rows (whole calls where the batch is fixed) of these variants, taking turns:
                   ``timing.json``
rate:VARIANT       items a second as the CPU lane does batches, preprocessing included: ``rate.json``
=================  ====================================================================================================

FOLDER also holds ``contract.json`` and a folder ``assets``. The tensors lie in files, so that a process only maps what
it reads. It may import `lambent`, NumPy and the standard library, nothing of the toolkit.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import cycle
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

from lambent.adapters import litert
from lambent.adapters.tflite_rows import FileInterpreter
from lambent.contracts.model import ModelContract, TensorPreprocessing, TextPreprocessing
from lambent.contracts.tensor import Array
from lambent.domain.model import CONTRACT_FILE
from lambent.domain.preprocessing import Preprocessor, make_preprocessor
from lambent.errors import LambentError
from lambent.services.golden import GoldenVectors
from lambent.services.version_files import decode_contract

Tensors = dict[str, Array]
THREADS = (1, 2)
LOADS = 3
ROUNDS = 20
CALLS_A_ROUND = 50
_WARM_UP_CALLS = 3
# A slow model is called less often: about so long for each variant and number of threads, but in five rounds at least.
_BUDGET_MS = 3000.0
_FEWEST_ROUNDS = 5
# Rows that are prepared, or predicted, at once: bounded in bytes, so that the data may be larger than the memory.
_CHUNK_BYTES = 1 << 26
_PREPARED_ITEMS = 64
_SEED = 7
# As the CPU lane does them: prepared one by one, answered so many at once.
_RATED_ROWS = 16
_RATED_S = 0.5


def main(folder: Path, steps: list[str]) -> None:
    """Take the steps in their order, up to the first one that is refused."""
    contract = decode_contract((folder / CONTRACT_FILE).read_bytes())
    for step in steps:
        name, _, argument = step.partition(":")
        figures, file = take(name, argument, folder, contract)
        (folder / file).write_text(json.dumps(figures))
        if "refused" in figures:
            return


def take(step: str, argument: str, folder: Path, contract: ModelContract) -> tuple[dict[str, Any], str]:
    """Return what a step found, or the coded error of what was refused, and the name of the file for it."""
    file = {"prepare": "prepared.json", "time": "timing.json", "rate": "rate.json"}.get(step, f"{argument}.json")
    try:
        if step == "prepare":
            return prepare(folder, contract), file
        if step == "predict":
            return predict(folder, contract, argument), file
        if step == "rate":
            return rate(folder, contract, argument), file
        return time_all(folder, contract, argument.split(",")), file
    except LambentError as exc:
        return {"refused": {"code": exc.code, "detail": exc.detail}}, file


def rate(folder: Path, contract: ModelContract, variant: str) -> dict[str, Any]:
    """Return items a second of batches from raw items on, by number of threads, and of preprocessing alone."""
    rows_at_once = min(_RATED_ROWS, contract.limits.max_rows)
    batches, ready = rated_batches(folder, contract, rows_at_once)
    rates = []
    for threads in THREADS:
        interpreter = load(folder, contract, variant, threads=threads)
        per_s = items_per_s(batches, lambda items, each=interpreter: each.run(ready(items)))
        rates.append({"threads": threads, "items_per_s": per_s})
    return {
        "runtime": f"{litert.RUNTIME} {_version(litert.RUNTIME)}",
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "batch_size": rows_at_once,
        "prepared_per_s": items_per_s(batches, ready),
        "rates": rates,
    }


def rated_batches(
    folder: Path, contract: ModelContract, rows_at_once: int
) -> tuple[list[Any], Callable[[Any], Tensors]]:
    """Return batches of raw items with what makes tensors of one; of a model that takes tensors, those themselves."""
    if isinstance(contract.preprocessing, TensorPreprocessing):
        tensors = mapped(folder, contract)
        return list(_chunks(tensors, call_rows(contract, tensors, most=rows_at_once))), lambda batch: batch
    raw = GoldenVectors.from_npz((folder / "items.npz").read_bytes()).raw
    preprocessor = preprocessor_of(folder, contract)
    batches = [raw[start : start + rows_at_once] for start in range(0, len(raw), rows_at_once)]
    return batches, lambda items: preprocessor.collate([preprocessor.prepare(item) for item in items])


def items_per_s(batches: list[Any], act: Callable[[Any], object]) -> float:
    """Return how many items a second an act does, over and over for half a second after a first batch."""
    act(batches[0])
    done, start = 0, perf_counter()
    for items in cycle(batches):
        act(items)
        done += count(items) if isinstance(items, dict) else len(items)
        if (taken_s := perf_counter() - start) >= _RATED_S:
            break
    return done / taken_s


def preprocessor_of(folder: Path, contract: ModelContract) -> Preprocessor:
    """Return the contract's preprocessing with its files."""
    assets = {file.name: file.read_bytes() for file in (folder / "assets").iterdir()}
    return make_preprocessor(contract, assets)


def prepare(folder: Path, contract: ModelContract) -> dict[str, Any]:
    """Preprocess all items; raises InvalidInput."""
    if isinstance(contract.preprocessing, TensorPreprocessing):
        return place()
    raw = GoldenVectors.from_npz((folder / "items.npz").read_bytes()).raw
    preprocessor = preprocessor_of(folder, contract)
    spec = contract.preprocessing
    # Rows padded to the longest of all have to be padded together.
    at_once = len(raw) if isinstance(spec, TextPreprocessing) and spec.pad_to == "longest" else _PREPARED_ITEMS
    written: dict[str, Any] = {}
    for start in range(0, len(raw), at_once):
        tensors = preprocessor.collate([preprocessor.prepare(item) for item in raw[start : start + at_once]])
        for number, (name, array) in enumerate(tensors_in_order(tensors, contract)):
            if name not in written:
                shape = (len(raw), *array.shape[1:])
                file = folder / "tensors" / f"{number}.npy"
                written[name] = np.lib.format.open_memmap(file, mode="w+", dtype=array.dtype, shape=shape)
            written[name][start : start + len(array)] = array
    for array in written.values():
        array.flush()
    return place()


def predict(folder: Path, contract: ModelContract, variant: str) -> dict[str, Any]:
    """Load a variant and answer all rows, then one with every number of threads; raises LambentError."""
    tensors = mapped(folder, contract)
    loads_ms = []
    for _ in range(LOADS):
        start = perf_counter()
        interpreter = load(folder, contract, variant, threads=1)
        loads_ms.append((perf_counter() - start) * 1000)
    outputs = run_all(interpreter, contract, tensors)
    np.savez(folder / f"{variant}.npz", **outputs)
    for threads in THREADS[1:]:
        load(folder, contract, variant, threads=threads).run(
            next(_chunks(tensors, call_rows(contract, tensors, most=1)))
        )
    return {"load_ms": float(np.median(loads_ms)), "output_step": max(interpreter.output_steps.values())}


def time_all(folder: Path, contract: ModelContract, variants: list[str]) -> dict[str, Any]:
    """Return the time of every call in milliseconds: by variant, number of threads and round."""
    tensors = mapped(folder, contract)
    size = call_rows(contract, tensors, most=1)
    random = Random(_SEED)  # noqa: S311 - an order, no secret
    taken: dict[str, dict[str, list[list[float]]]] = {name: {} for name in variants}
    for threads in THREADS:
        interpreters = {name: load(folder, contract, name, threads=threads) for name in variants}
        first_ms = {name: min(round_ms(each, tensors, 0, 2, size)) for name, each in interpreters.items()}
        rounds = max(_FEWEST_ROUNDS, min(ROUNDS, int(_BUDGET_MS / max(first_ms.values()))))
        calls = {name: max(1, min(CALLS_A_ROUND, int(_BUDGET_MS / ROUNDS / ms))) for name, ms in first_ms.items()}
        for name in variants:
            taken[name][str(threads)] = []
        for turn in range(rounds):
            # In another order every round: who follows whom decides what lies in the processor's caches.
            for name in random.sample(variants, len(variants)):
                taken[name][str(threads)].append(round_ms(interpreters[name], tensors, turn, calls[name], size))
    return {"taken_ms": taken}


def round_ms(interpreter: FileInterpreter, tensors: Tensors, turn: int, calls: int, size: int) -> list[float]:
    """Return the time of some calls of ``size`` rows each, in milliseconds, after some that are not counted."""
    warm_up = min(_WARM_UP_CALLS, calls - 1)
    taken_ms = []
    for call in range(-warm_up, calls):
        at = (turn * calls + max(call, 0)) % max(1, count(tensors) // size) * size
        row = _apart(rows(tensors, at, at + size))
        start = perf_counter()
        interpreter.run(row)
        taken_ms.append((perf_counter() - start) * 1000)
    return taken_ms[warm_up:]


def load(folder: Path, contract: ModelContract, variant: str, *, threads: int) -> FileInterpreter:
    """Load a variant through the serving adapter; raises LambentError."""
    return litert.LiteInterpreterLoader(threads=threads).load(folder / "variants" / f"{variant}.tflite", contract)


def run_all(interpreter: FileInterpreter, contract: ModelContract, tensors: Tensors) -> Tensors:
    """Return the outputs for all rows, as many rows at once as one request may hold and memory allows."""
    row_bytes = sum(array.nbytes for array in tensors.values()) // count(tensors)
    step = max(1, min(contract.limits.max_rows, _CHUNK_BYTES // max(row_bytes, 1)))
    step = call_rows(contract, tensors, most=step)
    parts = [interpreter.run(part) for part in _chunks(tensors, step)]
    return {spec.name: np.concatenate([part[spec.name] for part in parts]) for spec in contract.outputs}


def call_rows(contract: ModelContract, tensors: Tensors, *, most: int) -> int:
    """Return how many rows a call has: ``most`` where the batch is free, else as many as the contract says.

    All of them where inputs and outputs have no number of rows in common, so that rows cannot be told apart.
    """
    firsts = {spec.shape[0] for spec in (*contract.inputs, *contract.outputs)}
    rows_a_call = firsts.pop() if len(firsts) == 1 else max(len(array) for array in tensors.values())
    return most if rows_a_call == -1 else rows_a_call


def mapped(folder: Path, contract: ModelContract) -> Tensors:
    """Return the prepared tensors, mapped from their files."""
    return {
        spec.name: np.load(folder / "tensors" / f"{number}.npy", mmap_mode="r")
        for number, spec in enumerate(contract.inputs)
    }


def tensors_in_order(tensors: Tensors, contract: ModelContract) -> list[tuple[str, Array]]:
    """Return the inputs' arrays in the contract's order."""
    return [(spec.name, tensors[spec.name]) for spec in contract.inputs]


def rows(tensors: Tensors, start: int, stop: int) -> Tensors:
    """Return some rows of a batch."""
    return {name: array[start:stop] for name, array in tensors.items()}


def count(tensors: Tensors) -> int:
    """Return how many rows a batch has, of its first input."""
    return len(next(iter(tensors.values())))


def place() -> dict[str, Any]:
    """Return what this process runs on: versions, and where each package was loaded from."""
    packages = {litert.RUNTIME, "numpy", "pillow", "tokenizers"}
    return {
        "runtime": litert.RUNTIME,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in sorted(packages)}},
        "origins": sorted({str(file) for file in map(_origin, list(sys.modules.values())) if file}),
    }


def _chunks(tensors: Tensors, step: int) -> Iterator[Tensors]:
    for start in range(0, count(tensors), step):
        yield _apart(rows(tensors, start, start + step))


def _apart(tensors: Tensors) -> Tensors:
    """Return a copy in memory, so that no timed call waits for the file."""
    return {name: np.array(array) for name, array in tensors.items()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"  # a layer may be pruned of its metadata


def _origin(module: Any) -> str | None:
    return getattr(module, "__file__", None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
