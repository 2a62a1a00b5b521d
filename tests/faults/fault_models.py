"""Contracts of the models that get the bad input: one of each kind of preprocessing.

Their files lie in `models/`; `.venv/bin/python tests/faults/models/make_models.py` writes them anew.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from builders import contract, golden_vectors
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import (
    CategoricalColumn,
    Classification,
    Limits,
    ModelContract,
    NumericColumn,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)

FOLDER = Path(__file__).parent / "models"
FIXTURES = Path(__file__).parents[1] / "fixtures"
VOCABULARY = ("[PAD]", "[UNK]", "good", "bad", "day", "night", "##s", "a", "b", "c")
MAX_TOKENS = 8
LIMITS = Limits(max_input_bytes=200_000, max_pixels=1_000_000, max_rows=8)


def read(name: str) -> bytes:
    """Return a file of `models/`."""
    return (FOLDER / name).read_bytes()


def shade() -> ModelContract:
    """Return the contract of a model that tells dark from bright pictures of 2 x 2."""
    return contract(limits=LIMITS)


def words() -> ModelContract:
    """Return the contract of a model that tells good from bad texts."""
    tensors = [TensorSpec(name=name, datatype="INT32", shape=(-1, MAX_TOKENS)) for name in ("ids", "mask")]
    return ModelContract(
        name="words",
        inputs=tuple(tensors),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 2)),),
        preprocessing=TextPreprocessing(
            tokenizer_sha256=sha256(read("tokenizer.json")).hexdigest(),
            max_tokens=MAX_TOKENS,
            ids_input="ids",
            mask_input="mask",
            max_characters=1000,
        ),
        postprocessing=Classification(labels=("good", "bad"), activation="softmax"),
        limits=LIMITS,
    )


def rows() -> ModelContract:
    """Return the contract of a model that values a row of two numbers and a colour."""
    columns = (
        NumericColumn(name="width", mean=2.0, std=2.0),
        NumericColumn(name="height", missing=1.0),
        CategoricalColumn(name="colour", vocabulary=("red", "green")),
    )
    return ModelContract(
        name="rows",
        inputs=(TensorSpec(name="features", datatype="FP32", shape=(-1, 4)),),
        outputs=(TensorSpec(name="value", datatype="FP32", shape=(-1, 1)),),
        preprocessing=TabularPreprocessing(columns=columns),
        postprocessing=Regression(unit="EUR"),
        limits=LIMITS,
    )


def pair() -> ModelContract:
    """Return the contract of a model of two inputs and two outputs."""
    return ModelContract(
        name="pair",
        inputs=(
            TensorSpec(name="left", datatype="FP32", shape=(-1, 3)),
            TensorSpec(name="right", datatype="INT32", shape=(-1, 2)),
        ),
        outputs=(
            TensorSpec(name="sum", datatype="FP32", shape=(-1, 1)),
            TensorSpec(name="both", datatype="FP32", shape=(-1, 5)),
        ),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
        limits=LIMITS,
    )


def versions() -> list[tuple[ModelContract, dict[str, bytes]]]:
    """Return all contracts with their files."""
    return [
        _version(shade(), FIXTURES / "shade.int8.tflite"),
        _version(words(), FOLDER / "words.tflite", {"tokenizer.json": read("tokenizer.json")}),
        _version(rows(), FOLDER / "rows.tflite"),
        _version(pair(), FOLDER / "pair.tflite"),
    ]


def _version(
    declared: ModelContract, model: Path, assets: dict[str, bytes] | None = None
) -> tuple[ModelContract, dict[str, bytes]]:
    golden = golden_vectors(declared, LiteInterpreterLoader().load(model, declared).run, assets)
    return declared, {"model.tflite": model.read_bytes(), "golden.npz": golden.to_npz(), **(assets or {})}
