"""Read a .tflite file's signature where only a layer's packages are: started by path from `signature`.

Arguments: a folder with ``model.tflite``, and the name of a signature if one is wanted. Writes ``signature.json``:
``is_named`` and ``name`` as in `FileSignature`, ``is_main`` of the file's main graph, inputs and outputs with name,
number in the graph, datatype, shape and how they are quantized, or ``{"refused": {"code", "detail"}}``. It may import
`lambent`, NumPy and the standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lambent.adapters.litert import open_signature
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.domain.model import TFLITE_FILE
from lambent.errors import LambentError, ModelContractMismatch

_INSTEAD = {
    "input": "Convert the model without its text processing, and declare preprocessing text instead; of a picture's "
    "bytes, from where they are decoded on.",
    "output": "Convert the model without that output; the contract's labels name the classes.",
}
_NAMES = {dtype: name for name, dtype in DTYPE_BY_DATATYPE.items()}


def main(folder: Path, wanted: str | None = None) -> None:
    """Answer the request that lies in ``folder``."""
    try:
        signature = open_signature(folder / TFLITE_FILE, wanted)
        answer: dict[str, Any] = {
            "is_named": signature.is_named,
            "name": signature.name,
            "is_main": signature.runner is None,
            "inputs": [_tensor(name, found, side="input") for name, found in signature.inputs],
            "outputs": [_tensor(name, found, side="output") for name, found in signature.outputs],
        }
    except LambentError as exc:
        answer = {"refused": {"code": exc.code, "detail": exc.detail}}
    (folder / "signature.json").write_text(json.dumps(answer))


def _tensor(name: str, found: Mapping[str, Any], *, side: str) -> dict[str, Any]:
    kept = _NAMES.get(np.dtype(found["dtype"]))
    if kept is None:
        raise ModelContractMismatch(
            f"The {side} {name} holds {np.dtype(found['dtype'])}, which no contract has a datatype for. "
            f"{_INSTEAD[side]}"
        )
    scale, zero_point = found["quantization"]
    is_quantized = bool(scale) and np.dtype(found["dtype"]).kind in "iu"
    return {
        "name": name,
        "number": int(found["index"]),
        "datatype": "FP32" if is_quantized else kept,
        "shape": [int(dim) for dim in found["shape_signature"]],
        "quantized": {"datatype": kept, "scale": float(scale), "zero_point": int(zero_point)} if is_quantized else None,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
