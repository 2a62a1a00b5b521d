"""Run a model file where only a layer's packages are: started by path from `serving_check`, in the base interpreter.

Argument: a folder with ``model.tflite``, ``contract.json``, a folder ``assets`` and ``request.npz`` (golden vectors, of
which the raw items are read). Writes ``answer.npz`` (the same raw items with the tensors and outputs of this place) and
``figures.json``; if the model is refused, only ``figures.json`` with ``{"refused": {"code", "detail"}}``.

It may import `lambent`, NumPy and the standard library, nothing of the toolkit.
"""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from lambent.adapters import litert
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.model import CONTRACT_FILE, TFLITE_FILE
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import LambentError
from lambent.services.golden import GoldenVectors
from lambent.services.version_files import decode_contract

Tensors = dict[str, Array]
TIMED_CALLS = 500
_WARM_UP_CALLS = 50


def main(folder: Path) -> None:
    """Answer the request that lies in ``folder``."""
    try:
        figures = answer(folder)
    except LambentError as exc:
        figures = {"refused": {"code": exc.code, "detail": exc.detail}}
    (folder / "figures.json").write_text(json.dumps(figures))


def answer(folder: Path) -> dict[str, Any]:
    """Load, preprocess, predict and measure; raises BrokenArtifact and InvalidInput."""
    contract = decode_contract((folder / CONTRACT_FILE).read_bytes())
    start = perf_counter()
    interpreter = litert.LiteInterpreterLoader(threads=1).load(folder / TFLITE_FILE, contract)
    load_ms = (perf_counter() - start) * 1000
    raw = GoldenVectors.from_npz((folder / "request.npz").read_bytes()).raw
    assets = {file.name: file.read_bytes() for file in (folder / "assets").iterdir()}
    preprocessor = make_preprocessor(contract, assets)
    tensors = preprocessor.collate([preprocessor.prepare(item) for item in raw])
    outputs = run_all(interpreter, contract, tensors)
    (folder / "answer.npz").write_bytes(GoldenVectors(raw, tensors, outputs).to_npz())
    output_step = max(interpreter.output_steps.values())
    return {"output_step": output_step, "load_ms": load_ms, **latencies_ms(interpreter, tensors), **place()}


def run_all(interpreter: litert.LiteInterpreter, contract: ModelContract, tensors: Tensors) -> Tensors:
    """Return the outputs for all rows, as many rows at once as one request may hold."""
    step = contract.limits.max_rows
    parts = [interpreter.run(rows(tensors, at, at + step)) for at in range(0, count(tensors), step)]
    return {spec.name: np.concatenate([part[spec.name] for part in parts]) for spec in contract.outputs}


def rows(tensors: Tensors, start: int, stop: int) -> Tensors:
    """Return some rows of a batch."""
    return {name: array[start:stop] for name, array in tensors.items()}


def count(tensors: Tensors) -> int:
    """Return how many rows a batch has."""
    return len(next(iter(tensors.values())))


def latencies_ms(interpreter: litert.LiteInterpreter, tensors: Tensors) -> dict[str, float]:
    """Return p50 and p99 of predicting a single row, in milliseconds."""
    taken_ms = []
    for call in range(_WARM_UP_CALLS + TIMED_CALLS):
        at = call % count(tensors)
        row = rows(tensors, at, at + 1)
        start = perf_counter()
        interpreter.run(row)
        taken_ms.append((perf_counter() - start) * 1000)
    p50, p99 = np.percentile(taken_ms[_WARM_UP_CALLS:], (50, 99))
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def place() -> dict[str, Any]:
    """Return what this process runs on: versions, and where each package was loaded from."""
    packages = {litert.RUNTIME, "numpy", "pillow", "tokenizers"}
    return {
        "runtime": litert.RUNTIME,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in sorted(packages)}},
        "origins": sorted({str(file) for file in map(_origin, list(sys.modules.values())) if file}),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"  # a layer may be pruned of its metadata


def _origin(module: Any) -> str | None:
    return getattr(module, "__file__", None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
