"""Make golden vectors where only a layer's packages are: started by path from `golden_items`.

Argument: a folder with ``model.tflite``, ``contract.json``, a folder ``assets`` and ``request.npz`` (raw items, or the
tensors of a model that takes tensors). Writes ``answer.npz`` and ``figures.json`` with ``output_step``, or with
``{"refused": {"code", "detail"}}``. With a second argument, ``padding``, only ``figures.json``: what padding does to
the answers of texts. It may import `lambent`, NumPy and the standard library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import ModelContract, TextPreprocessing
from lambent.contracts.tensor import Array
from lambent.domain.model import CONTRACT_FILE, TFLITE_FILE
from lambent.domain.preprocessing import Preprocessor, make_preprocessor
from lambent.errors import LambentError
from lambent.ports import Interpreter
from lambent.services.golden import GoldenVectors
from lambent.services.version_files import decode_contract

_MORE_TOKENS = 16


def main(folder: Path, act: Callable[[Path], dict[str, Any]]) -> None:
    """Answer the request that lies in ``folder``."""
    try:
        figures = act(folder)
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


def pad(folder: Path) -> dict[str, Any]:
    """Return what padding does to the answers, see `padding_effect`; raises BrokenArtifact and InvalidInput."""
    contract = decode_contract((folder / CONTRACT_FILE).read_bytes())
    interpreter = LiteInterpreterLoader(threads=1).load(folder / TFLITE_FILE, contract)
    assets = {file.name: file.read_bytes() for file in (folder / "assets").iterdir()}
    raw = GoldenVectors.from_npz((folder / "request.npz").read_bytes()).raw
    return padding_effect(interpreter, contract, make_preprocessor(contract, assets), raw)


def padding_effect(
    interpreter: Interpreter, contract: ModelContract, preprocessor: Preprocessor, raw: list[bytes]
) -> dict[str, float]:
    """Run each text alone, as it is and with padding behind it, as it has beside a longer one.

    Returns
    -------
    ``difference``, the largest one of an output, what an output has for the padding itself left out; ``largest``, the
    largest output
    """
    difference = largest = 0.0
    for item in raw:
        alone = preprocessor.collate([preprocessor.prepare(item)])
        without, with_padding = interpreter.run(alone), interpreter.run(_padded(alone, contract))
        for name, array in without.items():
            numbers = array.astype(np.float64)
            others = with_padding[name][tuple(map(slice, array.shape))].astype(np.float64)
            difference = max(difference, float(np.abs(numbers - others).max()))
            largest = max(largest, float(np.abs(numbers).max()))
    return {"difference": difference, "largest": largest}


def _padded(tensors: Mapping[str, Array], contract: ModelContract) -> dict[str, Array]:
    spec = contract.preprocessing
    assert isinstance(spec, TextPreprocessing)  # noqa: S101 - told by the caller
    tokens = tensors[spec.ids_input].shape[1]
    more = min(2 * tokens + _MORE_TOKENS, spec.max_tokens) - tokens
    return {
        name: np.pad(array, ((0, 0), (0, more)), constant_values=spec.pad_id if name == spec.ids_input else 0)
        for name, array in tensors.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), pad if sys.argv[2:] == ["padding"] else answer)
