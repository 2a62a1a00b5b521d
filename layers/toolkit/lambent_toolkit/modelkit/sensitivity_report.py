"""sensitivity.json: what each layer costs in int8, and which layers the mixed variant leaves in float."""

from __future__ import annotations

import msgspec

from lambent_toolkit.modelkit.quantization_report import Loss, Metric


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a file does to the answers, on the validation part.

    Parameters
    ----------
    loss           against the Keras model, in the unit of `quantization_report.Loss`
    output_error   root mean square of the differences from the Keras model's outputs, over all of them, in their unit
    """

    loss: Loss
    output_error: float


class LayerSensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """One layer.

    Parameters
    ----------
    layer       the Keras layer's name, see `selective_quantization.LayerOperators`
    operators   what it became in the file
    alone       only this layer in int8, with its inputs and outputs; all others in float
    spared      only this layer in float; all others in int8
    """

    layer: str
    operators: list[str]
    alone: Effect
    spared: Effect


class MixedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One set of layers that was tried in float."""

    float_layers: list[str]
    effect: Effect
    size_bytes: int
    holds_limit: bool


class MixedPrecision(msgspec.Struct, frozen=True, kw_only=True):
    """How variants/mixed.tflite was found; the last step that holds the limit is it.

    Parameters
    ----------
    limit          the most that ``loss.value`` may be
    float_layers   left in float, in the model's order; empty if int8 holds the limit itself
                   their weights are stored as float16, what they compute is float32
    size_bytes     of the file
    sha256         of the file
    effect         of the file in the serving interpreter
    steps          what was tried, in order
    """

    limit: float
    float_layers: list[str]
    size_bytes: int
    sha256: str
    effect: Effect
    steps: list[MixedStep]


class FineTuning(msgspec.Struct, frozen=True, kw_only=True):
    """qat.json: how variants/qat.tflite and model.qat.keras came about, and what the file is worth.

    Parameters
    ----------
    keras_sha256        of model.keras, which was fine-tuned
    data_sha256         of the data, as in training.json
    learning_rate       of the fine-tuning
    validation_losses   rounded to 8 bits, of each epoch
    kept_epoch          from 1, the one with the lowest validation loss, whose weights were kept
    int8                model.keras in int8 without fine-tuning, in this environment's LiteRT
    qat                 the fine-tuned file, in the serving interpreter; against the Keras model before fine-tuning
    """

    schema_version: int = 1
    model: str
    metric: Metric
    keras_sha256: str
    data_sha256: str
    validation_items: int
    seed: int
    learning_rate: float
    validation_losses: list[float]
    kept_epoch: int
    int8: Effect
    qat: Effect
    size_bytes: int
    sha256: str


class SensitivityReport(msgspec.Struct, frozen=True, kw_only=True):
    """sensitivity.json.

    Parameters
    ----------
    keras_sha256   of model.keras, which all this is about
    data_sha256    of the data, as in training.json
    int8           the whole model in int8
    layers         the one with the largest ``alone.output_error`` first
    runtime        the interpreter that the files ran in
    """

    schema_version: int = 1
    model: str
    metric: Metric
    keras_sha256: str
    data_sha256: str
    validation_items: int
    runtime: str
    int8: Effect
    layers: list[LayerSensitivity]
    mixed: MixedPrecision | None = None
