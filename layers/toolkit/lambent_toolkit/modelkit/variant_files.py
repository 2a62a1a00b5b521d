"""The files of all variants of a model: those that the converter makes, and those that `lambent sensitivity` left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ModelContract
from lambent.domain.model import digest
from lambent_toolkit.modelkit.calibration import Calibration, choose_calibration, sample, saved_rows
from lambent_toolkit.modelkit.convertible import convertible
from lambent_toolkit.modelkit.errors import ConversionFailed, ModelNotFinite
from lambent_toolkit.modelkit.float_model import FloatModel, KerasFloat, SavedModelFloat
from lambent_toolkit.modelkit.quantization import CALIBRATED, Tensors, to_tflite
from lambent_toolkit.modelkit.recipe import Split
from lambent_toolkit.modelkit.sensitivity_report import FineTuning, SensitivityReport
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.variants import REMEDIES, Variant, variant_file
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Converter:
    """Makes variants of one model.

    Parameters
    ----------
    source     the model as the converter takes it
    contract
    changes    how it differs from the model that was given, see `Convertible`
    """

    source: keras.Model | SavedModelFloat
    contract: ModelContract
    changes: tuple[str, ...] = ()

    def __call__(self, variant: Variant, calibration: Tensors | None) -> bytes:
        """Return a .tflite file; raises ConversionFailed."""
        return to_tflite(self.source, self.contract, variant=variant, calibration=calibration)


@dataclass(frozen=True)
class VariantFiles:
    """What could be made.

    Parameters
    ----------
    files         variant → bytes of its .tflite file, float32 first
    problems      variant → why there is no file
    calibration   None if no variant needed one
    changes       how the model was made otherwise for the converter, see `Convertible`
    """

    files: dict[str, bytes]
    problems: dict[str, str]
    calibration: Calibration | None
    changes: tuple[str, ...] = ()


def make_variants(
    float_model: FloatModel, split: Split, variants: Sequence[Variant], *, watcher: Watcher = SILENCE
) -> VariantFiles:
    """Convert a model into several variants; float32 is made in any case, as the others are calibrated with it.

    Raises
    ------
    ConversionFailed   the converter has no float32 form of the model, so that it has none at all
    ModelNotFinite     the model has weights, or computes values, that are no finite numbers
    """
    convert = converter_of(float_model, split.contract)
    files = {"float32": convert("float32", None)}
    problems: dict[str, str] = {}
    others = [variant for variant in variants if variant != "float32"]
    calibration = None
    if any(variant in CALIBRATED for variant in others):
        calibration = choose_calibration(files["float32"], split, watcher=watcher)
    watcher.begin("convert", total=1 + len(others))
    watcher.advance(f"float32, {len(files['float32']) / 1000:.1f} kB")
    for variant in others:
        needed = sample(split.train, calibration.rows) if calibration and variant in CALIBRATED else None
        try:
            files[variant] = convert(variant, needed)
            watcher.advance(f"{variant}, {len(files[variant]) / 1000:.1f} kB")
        except ConversionFailed as exc:
            problems[variant] = f"does not convert: {exc.said}"
            watcher.advance(f"{variant} does not convert")
    return VariantFiles(files, problems, calibration, convert.changes)


def converter_of(float_model: FloatModel, contract: ModelContract) -> Converter:
    """Return what makes variants of a model, loaded once; raises ModelNotFinite, ConversionFailed."""
    if isinstance(float_model, KerasFloat):
        model = from_keras_file(float_model.file)
        _check_weights(model)
        made = convertible(model, contract.inputs)
        return Converter(made.model, contract, made.changes)
    if isinstance(float_model, SavedModelFloat):
        return Converter(float_model, contract)
    raise TypeError(f"no converter for {type(float_model).__name__}")


def calibration_rows(
    folder: Path, float_model: FloatModel, split: Split, *, watcher: Watcher = SILENCE
) -> NDArray[np.int64]:
    """Return the training rows that `lambent quantize` calibrated with, or would.

    Raises
    ------
    ConversionFailed   the converter has no float32 form of the model
    ModelNotFinite     the model has weights, or computes values, that are no finite numbers
    """
    saved = saved_rows(folder, split)
    if saved is not None:
        return saved
    float_file = converter_of(float_model, split.contract)("float32", None)
    return choose_calibration(float_file, split, watcher=watcher).rows


def remedy_files(folder: Path, float_model: FloatModel, split: Split) -> dict[str, bytes]:
    """Return the files that `lambent sensitivity` left for this very model and data, by variant."""
    found = {}
    for variant in REMEDIES:
        expected = _remedy_digest(folder, variant, float_model, split)
        path = folder / variant_file(variant)
        if expected and path.exists() and digest(body := path.read_bytes()) == expected:
            found[variant] = body
    return found


def _remedy_digest(folder: Path, variant: str, float_model: FloatModel, split: Split) -> str | None:
    """Return the digest that a remedy's report gives its file; None if it is of another model or other data."""
    kind, name = (FineTuning, "qat.json") if variant == "qat" else (SensitivityReport, "sensitivity.json")
    try:
        report = msgspec.json.decode((folder / name).read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    if (report.keras_sha256, report.data_sha256) != (float_model.sha256, split.sha256):
        return None
    if isinstance(report, FineTuning):
        return report.sha256
    return report.mixed.sha256 if report.mixed else None


def _check_weights(model: object) -> None:
    for weights in model.weights:  # type: ignore[attr-defined]
        values = np.asarray(weights)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ModelNotFinite(
                f"The weights {weights.path} are NaN or infinite: the training went wrong. Train again with a lower "
                "learning rate."
            )
