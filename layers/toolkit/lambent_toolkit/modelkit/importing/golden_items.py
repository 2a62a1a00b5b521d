"""Inputs for the golden vectors of a model that comes without data: examples that its owner gives, or seeded ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from lambent.contracts.model import (
    CategoricalColumn,
    ImagePreprocessing,
    ModelContract,
    RawOutputs,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.domain.lengths import free_dimensions
from lambent.domain.model import CONTRACT_FILE, KERAS_FILE, TFLITE_FILE, TOKENIZER_FILE
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import LambentError
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.importing.golden_program import padding_effect
from lambent_toolkit.modelkit.importing.lengths_program import multiple_of
from lambent_toolkit.modelkit.serving_process import run_program, serving_layers
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

PROGRAM = Path(__file__).with_name("golden_program.py")
_TIMEOUT_S = 120.0
ITEMS = 8
MOST_EXAMPLES = 20
_SEED = 7
_WORDS = 12
_MOST_SAID = 200
_TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read_examples(folder: Path, contract: ModelContract) -> list[bytes]:
    """Return the first `MOST_EXAMPLES` files of a folder, by name, as raw items.

    Raises
    ------
    ForeignModelRefused   there is no file, or the model takes tensors, which are no items
    """
    if isinstance(contract.preprocessing, TensorPreprocessing):
        raise ForeignModelRefused("--examples are pictures, texts or rows; this contract's model takes tensors only.")
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        raise ForeignModelRefused(f"There are no example files in {folder}.")
    return [path.read_bytes() for path in files[:MOST_EXAMPLES]]


def generated(contract: ModelContract, assets: Mapping[str, bytes]) -> GoldenVectors:
    """Return `ITEMS` inputs that the contract allows, always the same ones: noise, no data that the model was made for.

    They prove that preprocessing and kernels agree everywhere; how good the model is, they cannot say.
    """
    random = np.random.default_rng(_SEED)
    spec = contract.preprocessing
    if isinstance(spec, ImagePreprocessing):
        return GoldenVectors([_picture(spec, random) for _ in range(ITEMS)], {}, {})
    if isinstance(spec, TextPreprocessing):
        return GoldenVectors([_text(assets[TOKENIZER_FILE], spec, random) for _ in range(ITEMS)], {}, {})
    if isinstance(spec, TabularPreprocessing):
        return GoldenVectors([_row(spec, random) for _ in range(ITEMS)], {}, {})
    # All of one length: the tensors of a text have it in common.
    smallest = {each.name: each.min_shape for each in contract.inputs if each.min_shape is not None}
    least = (smallest[name][axis] for name, axis in free_dimensions(contract) if name in smallest)
    length = multiple_of(max(least, default=1))
    return GoldenVectors([], {each.name: _tensor(each, length, random) for each in contract.inputs}, {})


def tensor_contract(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> ModelContract:
    """Return a contract that says nothing of a model but its tensors."""
    return ModelContract(
        name="model",
        inputs=inputs,
        outputs=outputs,
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )


def tflite_golden(
    model: bytes, contract: ModelContract, request: GoldenVectors, assets: Mapping[str, bytes]
) -> tuple[GoldenVectors, float]:
    """Return the vectors as the serving interpreter answers them, and the step of its outputs (0 if not quantized).

    Raises
    ------
    ServingRefused       it refused the file or an item
    ServingCheckFailed   the process died
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        figures = _run(folder, model, contract, request, assets)
        return GoldenVectors.from_npz((folder / "answer.npz").read_bytes()), float(figures["output_step"])


def _run(
    folder: Path,
    model: bytes,
    contract: ModelContract,
    request: GoldenVectors,
    assets: Mapping[str, bytes],
    *steps: str,
) -> dict[str, float]:
    """Run the program on a .tflite file, and return its figures; raises ServingRefused, ServingCheckFailed."""
    (folder / TFLITE_FILE).write_bytes(model)
    (folder / CONTRACT_FILE).write_bytes(msgspec.json.encode(contract))
    (folder / "request.npz").write_bytes(request.to_npz())
    (folder / "assets").mkdir()
    for asset, body in assets.items():
        (folder / "assets" / asset).write_bytes(body)
    run_program([str(folder), *steps], python_path=serving_layers(), timeout_s=_TIMEOUT_S, program=PROGRAM)
    figures: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    if "refused" in figures:
        raise ServingRefused(**figures["refused"])
    return figures


def tflite_padding(
    model: bytes, contract: ModelContract, request: GoldenVectors, assets: Mapping[str, bytes]
) -> dict[str, float]:
    """Return what padding does to the answers, see `padding_effect`; raises as `tflite_golden`."""
    with TemporaryDirectory() as name:
        return _run(Path(name), model, contract, request, assets, "padding")


def keras_padding(
    model: bytes, contract: ModelContract, request: GoldenVectors, assets: Mapping[str, bytes]
) -> dict[str, float]:
    """Return what padding does to the answers of the batch worker's own adapter, see `padding_effect`.

    Raises
    ------
    ServingCheckFailed   the model cannot be run on one of the texts alone
    """
    with quiet(), TemporaryDirectory() as name:
        path = Path(name) / KERAS_FILE
        path.write_bytes(model)
        from lambent.adapters.keras_model import KerasInterpreterLoader  # imports TensorFlow

        interpreter = KerasInterpreterLoader().load(path, contract)
        try:
            return padding_effect(interpreter, contract, make_preprocessor(contract, assets), request.raw)
        except LambentError:
            raise
        except Exception as exc:  # the framework raises whatever it likes for a shape that a layer cannot take
            raise ServingCheckFailed("Keras cannot run the model on a short text alone.") from exc


def keras_golden(
    model: bytes, contract: ModelContract, request: GoldenVectors, assets: Mapping[str, bytes]
) -> GoldenVectors:
    """Return the vectors as the batch worker's own adapter answers them.

    Raises
    ------
    BrokenArtifact, InvalidInput   the worker refuses the file, preprocessing an item
    ForeignModelRefused            Keras raises when the model is called
    """
    with quiet(), TemporaryDirectory() as name:
        path = Path(name) / KERAS_FILE
        path.write_bytes(model)
        from lambent.adapters.keras_model import KerasInterpreterLoader  # imports TensorFlow

        interpreter = KerasInterpreterLoader().load(path, contract)
        tensors = request.tensors
        if request.raw:
            preprocessor = make_preprocessor(contract, assets)
            tensors = preprocessor.collate([preprocessor.prepare(item) for item in request.raw])
        try:
            return GoldenVectors(request.raw, tensors, interpreter.run(tensors))
        except LambentError:
            raise
        except Exception as exc:  # whatever the layers of a stranger's model raise
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in tensors.items())
            raise ForeignModelRefused(
                f"Keras cannot run {contract.name} on inputs that its contract allows ({shapes}): {keras_said(exc)}"
            ) from exc


def keras_said(exc: Exception) -> str:
    """Return what Keras means by an exception: its first line that says more than in which call it arose."""
    plain = _TERMINAL_COLOURS.sub("", str(exc))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = next((line for line in lines if not line.startswith("Exception encountered when calling")), None)
    return (told or (lines or [type(exc).__name__])[0])[:_MOST_SAID]


def _picture(spec: ImagePreprocessing, random: np.random.Generator) -> bytes:
    from PIL import Image

    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    buffer = BytesIO()
    Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def _text(tokenizer: bytes, spec: TextPreprocessing, random: np.random.Generator) -> bytes:
    from tokenizers import Tokenizer

    known = Tokenizer.from_str(tokenizer.decode())
    ids = random.integers(0, known.get_vocab_size(), min(_WORDS, max(spec.max_tokens // 4, 1)))
    return (known.decode([int(each) for each in ids]).strip() or "a").encode()


def _row(spec: TabularPreprocessing, random: np.random.Generator) -> bytes:
    row: dict[str, Any] = {}
    for column in spec.columns:
        if isinstance(column, CategoricalColumn):
            row[column.name] = column.vocabulary[int(random.integers(len(column.vocabulary)))]
        else:
            row[column.name] = column.mean + column.std * float(random.standard_normal())
    return json.dumps(row).encode()


def _tensor(spec: TensorSpec, length: int, random: np.random.Generator) -> Any:
    free = [ITEMS, *[length] * (len(spec.shape) - 1)]
    shape = [length if dim == -1 else dim for dim, length in zip(spec.shape, free, strict=True)]
    dtype = DTYPE_BY_DATATYPE[spec.datatype]
    # Whole numbers may be token ids or categories: 0 and 1 are in every vocabulary.
    numbers = random.integers(0, 2, shape) if dtype.kind in "iub" else random.standard_normal(shape)
    return numbers.astype(dtype)
