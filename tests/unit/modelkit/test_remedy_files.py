"""What `lambent sensitivity` left is a candidate for the very model and data that it was made of, and for no other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from builders import contract
from lambent.domain.model import digest
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.quantization_report import Loss
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split
from lambent_toolkit.modelkit.sensitivity_report import Effect, FineTuning, MixedPrecision, SensitivityReport
from lambent_toolkit.modelkit.variant_files import remedy_files

MODEL = KerasFloat(b"a model")
EFFECT = Effect(loss=Loss(value=0.0, low=-1.0, high=1.0), output_error=0.0)
PART = Prepared([b""], np.zeros(1, np.int64), {})
OF = {"model": "x", "metric": "accuracy", "keras_sha256": MODEL.sha256, "data_sha256": "a" * 64, "validation_items": 9}


def split_of(data_sha256: str) -> Split:
    return Split(Declaration(contract()), PART, PART, PART, data_sha256)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with both remedies of the model."""
    (tmp_path / "variants").mkdir()
    for name in ("mixed", "qat"):
        (tmp_path / "variants" / f"{name}.tflite").write_bytes(name.encode())
    mixed = MixedPrecision(
        limit=1.0, float_layers=["a"], size_bytes=5, sha256=digest(b"mixed"), effect=EFFECT, steps=[]
    )
    sensitivity = SensitivityReport(**OF, runtime="ai-edge-litert", int8=EFFECT, layers=[], mixed=mixed)
    tuning = FineTuning(
        **OF,
        seed=1,
        learning_rate=0.1,
        validation_losses=[1.0],
        kept_epoch=1,
        int8=EFFECT,
        qat=EFFECT,
        size_bytes=3,
        sha256=digest(b"qat"),
    )
    (tmp_path / "sensitivity.json").write_bytes(msgspec.json.encode(sensitivity))
    (tmp_path / "qat.json").write_bytes(msgspec.json.encode(tuning))
    return tmp_path


def test_remedies_of_this_very_model_and_data_are_found(folder: Path) -> None:
    assert remedy_files(folder, MODEL, split_of("a" * 64)) == {"qat": b"qat", "mixed": b"mixed"}


def test_remedies_of_another_model_or_of_other_data_are_left_alone(folder: Path) -> None:
    assert remedy_files(folder, KerasFloat(b"trained again"), split_of("a" * 64)) == {}
    assert remedy_files(folder, MODEL, split_of("b" * 64)) == {}


def test_a_file_that_is_not_what_its_report_tells_is_left_alone(folder: Path) -> None:
    (folder / "variants" / "mixed.tflite").write_bytes(b"another file")
    (folder / "variants" / "qat.tflite").unlink()

    assert remedy_files(folder, MODEL, split_of("a" * 64)) == {}


def test_without_remedies_there_are_none(tmp_path: Path) -> None:
    assert remedy_files(tmp_path, MODEL, split_of("a" * 64)) == {}
