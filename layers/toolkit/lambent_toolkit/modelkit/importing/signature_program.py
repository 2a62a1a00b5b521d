"""Read a .tflite file's signature where only a layer's packages are: started by path from `signature`.

Argument: a folder with ``model.tflite``. Writes ``signature.json``: inputs and outputs with name, datatype, shape and
how they are quantized, or ``{"refused": {"code", "detail"}}``. It may import `lambent`, NumPy and the standard library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lambent.adapters.litert import open_signature
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.domain.model import TFLITE_FILE
from lambent.errors import LambentError, ModelContractMismatch

_NAMES = {dtype: name for name, dtype in DTYPE_BY_DATATYPE.items()}


def main(folder: Path) -> None:
    """Answer the request that lies in ``folder``."""
    try:
        signature = open_signature(folder / TFLITE_FILE)
        answer: dict[str, Any] = {
            "inputs": [_tensor(name, found) for name, found in signature.get_input_details().items()],
            "outputs": [_tensor(name, found) for name, found in signature.get_output_details().items()],
        }
    except LambentError as exc:
        answer = {"refused": {"code": exc.code, "detail": exc.detail}}
    (folder / "signature.json").write_text(json.dumps(answer))


def _tensor(name: str, found: dict[str, Any]) -> dict[str, Any]:
    kept = _NAMES.get(np.dtype(found["dtype"]))
    if kept is None:
        raise ModelContractMismatch(
            f"Tensor {name} holds strings in the file. Strings are not served: convert the model without its text "
            "processing, and declare preprocessing text instead."
        )
    scale, zero_point = found["quantization"]
    is_quantized = bool(scale) and np.dtype(found["dtype"]).kind in "iu"
    return {
        "name": name,
        "datatype": "FP32" if is_quantized else kept,
        "shape": [int(dim) for dim in found["shape_signature"]],
        "quantized": {"datatype": kept, "scale": float(scale), "zero_point": int(zero_point)} if is_quantized else None,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
