"""Make golden vectors where only a layer's packages are: started by path from `golden_items`.

Argument: a folder with ``model.tflite``, ``contract.json``, a folder ``assets`` and ``request.npz`` (raw items, or the
tensors of a model that takes tensors). Writes ``answer.npz`` and ``figures.json`` with ``output_step``, or with
``{"refused": {"code", "detail"}}``. It may import `lambent`, NumPy and the standard library.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.domain.model import CONTRACT_FILE, TFLITE_FILE
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import LambentError
from lambent.services.golden import GoldenVectors
from lambent.services.version_files import decode_contract


def main(folder: Path) -> None:
    """Answer the request that lies in ``folder``."""
    try:
        figures = answer(folder)
    except LambentError as exc:
        figures = {"refused": {"code": exc.code, "detail": exc.detail}}
    (folder / "figures.json").write_text(json.dumps(figures))


def answer(folder: Path) -> dict[str, Any]:
    """Load, preprocess and predict; raises BrokenArtifact and InvalidInput."""
    contract = decode_contract((folder / CONTRACT_FILE).read_bytes())
    interpreter = LiteInterpreterLoader(threads=1).load(folder / TFLITE_FILE, contract)
    request = GoldenVectors.from_npz((folder / "request.npz").read_bytes())
    tensors = request.tensors
    if request.raw:
        assets = {file.name: file.read_bytes() for file in (folder / "assets").iterdir()}
        preprocessor = make_preprocessor(contract, assets)
        tensors = preprocessor.collate([preprocessor.prepare(item) for item in request.raw])
    vectors = GoldenVectors(request.raw, tensors, interpreter.run(tensors))
    (folder / "answer.npz").write_bytes(vectors.to_npz())
    return {"output_step": max(interpreter.output_steps.values())}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
