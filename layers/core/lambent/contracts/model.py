"""The model contract: what a version takes, how input becomes tensors and tensors become answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# A plain name: no folder, so that no manifest leads out of its version.
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"
]  # fmt: skip


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class TensorSpec(_Contract, frozen=True, kw_only=True, omit_defaults=True):
    """A named tensor; datatype in Open Inference Protocol words; -1 in the shape is a free dimension.

    ``min_shape`` is the smallest shape of an input that the version's files answer, found where they are made: a number
    a dimension, 1 for the rows. None: not looked for, or there is nothing that callers choose.
    """

    name: Name
    datatype: Datatype
    shape: tuple[int, ...]
    min_shape: tuple[PositiveInt, ...] | None = None


class ImagePreprocessing(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """How a picture becomes the first input, (height, width, channels): ``pixel * scale + offset``.

    ``channels`` 1 is grey (ITU-R 601-2 luma), 3 is RGB. Transparent pixels are laid over ``background`` (0 to 255).
    ``decode`` "scaled" lets libjpeg decode a large JPEG at the smallest size (n/8) that still covers height and width:
    several times faster, slightly other pixels than "full", so it must be what the model was trained with.
    ``fit`` "stretch" resizes both sides independently, "crop" covers and cuts the centre.
    A first input of datatype UINT8 gets the pixels themselves: scale 1 and offset 0.
    """

    height: PositiveInt
    width: PositiveInt
    channels: Literal[1, 3]
    resize: Literal["nearest", "bilinear", "bicubic", "box"] = "bilinear"
    decode: Literal["full", "scaled"] = "full"
    fit: Literal["stretch", "crop"] = "stretch"
    scale: float = 1 / 255
    offset: float = 0.0
    background: Annotated[int, Meta(ge=0, le=255)] = 255


class TextPreprocessing(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """How a text becomes token ids: by the tokenizer.json beside the contract, which the digest ties to it.

    ``ids_input``, ``mask_input`` and ``types_input`` name the inputs that take the token ids, the attention mask and
    the token types; the latter two only where the model has them. The rows of a batch are padded with ``pad_id`` to
    ``max_tokens``, or with ``pad_to`` "longest" to the longest row. A text of more tokens is refused or cut off, as
    ``too_long`` says.
    """

    tokenizer_sha256: Sha256
    max_tokens: PositiveInt
    ids_input: Name
    mask_input: Name | None = None
    types_input: Name | None = None
    pad_to: Literal["max_tokens", "longest"] = "max_tokens"
    pad_id: Annotated[int, Meta(ge=0)] = 0
    too_long: Literal["refuse", "truncate"] = "refuse"
    max_characters: PositiveInt = 100_000


class NumericColumn(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="numeric"):
    """A number, standardized: ``(value - mean) / std``; a missing value becomes ``missing``, None refuses it."""

    name: Name
    mean: float = 0.0
    std: PositiveFloat = 1.0
    missing: float | None = None


class CategoricalColumn(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="categorical"):
    """One of ``vocabulary``, as one-hot floats or as its index.

    A value outside the vocabulary is refused, or with ``unknown`` "other" becomes all zeros (one-hot) or the index
    ``len(vocabulary)``. A missing value becomes ``missing``, a word of the vocabulary; None refuses it.
    """

    name: Name
    vocabulary: Annotated[tuple[str, ...], Meta(min_length=1)]
    encoding: Literal["one_hot", "index"] = "one_hot"
    unknown: Literal["refuse", "other"] = "refuse"
    missing: str | None = None


Column = NumericColumn | CategoricalColumn


class TabularPreprocessing(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="tabular"):
    """How a row becomes tensors: its columns' numbers side by side, in this order, in the first input."""

    columns: Annotated[tuple[Column, ...], Meta(min_length=1)]


class TensorPreprocessing(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="tensor"):
    """None: the caller sends the tensors themselves."""


Preprocessing = ImagePreprocessing | TextPreprocessing | TabularPreprocessing | TensorPreprocessing


class Classification(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="classification"):
    """The output holds one score a label, in the order of ``labels``; or one number for two labels.

    ``activation`` is what the model leaves to do: "softmax" (one label is right) or "sigmoid" (each for itself) on its
    logits, which are divided by ``temperature`` first. With "none" the output holds probabilities that sum to one;
    their ``temperature`` raises them to the power 1/T and normalizes again, which is the softmax of divided logits.
    One number for two labels is the second's score p, or with "sigmoid" its logit; the first one's is 1 - p.
    Labels that score below ``threshold`` are not answered.
    """

    labels: Annotated[tuple[str, ...], Meta(min_length=1)]
    output: Name | None = None
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    temperature: PositiveFloat = 1.0
    threshold: Probability = 0.0


class Series(_Contract, frozen=True, kw_only=True):
    """Where in an item the past of the series stands that a regression's answer continues.

    It changes no answer: `lambent evaluate` holds the model against forecasts that are made of that past alone.

    ``input`` (the first unless named) holds a window an item, (steps,) or (steps, channels), the oldest step first, of
    which ``channel`` is continued; the answer is ``steps_ahead`` of the window's last step, and
    ``window * scale + offset`` is in the answer's unit. Of a table, ``columns`` tells how many steps before the answer
    the value of a column is, e.g. ``{"sales_yesterday": 1, "sales_last_week": 7}``. ``period`` is how many steps a
    season has, 12 for the months of a year; 1 is no season.
    """

    input: Name | None = None
    channel: Annotated[int, Meta(ge=0)] = 0
    columns: dict[Name, PositiveInt] = {}
    steps_ahead: PositiveInt = 1
    period: PositiveInt = 1
    scale: float = 1.0
    offset: float = 0.0


class Regression(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="regression"):
    """The output holds one number a row; the answer is ``value * scale + offset``, in ``unit``.

    ``series`` is declared where the answer is a forecast.
    """

    output: Name | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit: str | None = None
    series: Series | None = None


class RawOutputs(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="raw"):
    """The outputs are the answer."""


Postprocessing = Classification | Regression | RawOutputs


class Limits(_Contract, frozen=True, kw_only=True):
    """What one request may hold."""

    max_input_bytes: PositiveInt = 20_000_000
    max_pixels: PositiveInt = 16_000_000
    max_rows: PositiveInt = 1024


class QualityLimits(_Contract, frozen=True, kw_only=True):
    """What a version must keep to; `lambent quantize` chooses by it, and publishing holds the version to it.

    Against the float Keras model, which is what the GPU lane runs, on the same items:

    max_accuracy_drop_pt   percentage points of accuracy, for classification; 1.0 is the "99 % of the float reference"
                           of MLPerf Inference, near enough
    max_rmse_increase      share of the float model's RMSE, for regression: 0.02 is two per cent more
    min_agreement          share of items that both answer alike, for classification
    max_score_difference   of a classifier's scores, 0 to 1: the largest of an item that 99 of 100 items keep to
    max_output_error       root mean square of the difference, as a share of that of the outputs themselves (raw
                           outputs) or of the spread of the answers (regression)

    By itself, on test data; None asks for no more than to be better than guessing:

    min_accuracy           0 to 1, for classification
    max_rmse               in the answer's unit, for regression
    """

    max_accuracy_drop_pt: Annotated[float, Meta(ge=0, le=100)] = 1.0
    max_rmse_increase: Annotated[float, Meta(ge=0)] = 0.02
    min_agreement: Probability = 0.95
    max_score_difference: Probability = 0.25
    max_output_error: Annotated[float, Meta(ge=0)] = 0.1
    min_accuracy: Probability | None = None
    max_rmse: PositiveFloat | None = None


class ModelContract(_Contract, frozen=True, kw_only=True):
    """contract.json of a model version.

    Image and tabular preprocessing fill the first input, text those that it names. Postprocessing reads the output
    that it names, or the first. ``golden_tolerance`` is how far (absolute) an output may lie from its golden vector.

    ``rows_per_call`` is for a .tflite file that was converted for a fixed batch and cannot be resized: how many rows a
    call of it takes, so that a request of more is answered in several calls. None: as many as there are.
    ``signature`` names one of several signatures of a .tflite file or SavedModel; None: its only one, or
    serving_default.
    """

    schema_version: Literal[1] = 1
    name: str
    inputs: Annotated[tuple[TensorSpec, ...], Meta(min_length=1)]
    outputs: Annotated[tuple[TensorSpec, ...], Meta(min_length=1)]
    preprocessing: Preprocessing
    postprocessing: Postprocessing
    limits: Limits = Limits()
    quality: QualityLimits = QualityLimits()
    golden_tolerance: Annotated[float, Meta(ge=0)] = 0.01
    rows_per_call: PositiveInt | None = None
    signature: Name | None = None


class FileDigest(_Contract, frozen=True, kw_only=True):
    """sha256 in lower-case hex, and size."""

    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=0)]


class Forced(_Contract, frozen=True, kw_only=True):
    """A publication against failed checks: by whom, why, and which checks."""

    by: str
    why: str
    failed_checks: tuple[str, ...]


class VersionManifest(_Contract, frozen=True, kw_only=True):
    """manifest.json: every other file of the version; written last, once."""

    schema_version: Literal[1] = 1
    name: str
    version: int
    created_at: str
    files: dict[FileName, FileDigest]
    forced: Forced | None = None
