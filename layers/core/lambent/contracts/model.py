"""The model contract: what a version takes, how input becomes tensors and tensors become answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1)]
Datatype = Literal["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"]


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class TensorSpec(_Contract, frozen=True, kw_only=True):
    """A named tensor; datatype in Open Inference Protocol words; -1 in the shape is a free dimension."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    datatype: Datatype
    shape: tuple[int, ...]


class ImagePreprocessing(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """How a picture becomes a float32 tensor (height, width, channels): ``pixel * scale + offset``.

    ``channels`` 1 is grey (ITU-R 601-2 luma), 3 is RGB. Transparent pixels are laid over ``background`` (0 to 255).
    """

    height: PositiveInt
    width: PositiveInt
    channels: Literal[1, 3]
    resize: Literal["nearest", "bilinear", "bicubic", "box"] = "bilinear"
    scale: float = 1 / 255
    offset: float = 0.0
    background: Annotated[int, Meta(ge=0, le=255)] = 255


class TensorPreprocessing(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="tensor"):
    """None: the caller sends the tensors themselves."""


Preprocessing = ImagePreprocessing | TensorPreprocessing


class Classification(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="classification"):
    """The output holds one score a label, in the order of ``labels``."""

    labels: tuple[str, ...]
    activation: Literal["none", "softmax"] = "none"


class RawOutputs(_Contract, frozen=True, kw_only=True, tag_field="kind", tag="raw"):
    """The outputs are the answer."""


Postprocessing = Classification | RawOutputs


class Limits(_Contract, frozen=True, kw_only=True):
    """What one request may hold."""

    max_input_bytes: PositiveInt = 20_000_000
    max_pixels: PositiveInt = 16_000_000
    max_rows: PositiveInt = 1024


class ModelContract(_Contract, frozen=True, kw_only=True):
    """contract.json of a model version.

    Preprocessing fills the first input; classification reads the first output.
    """

    schema_version: Literal[1] = 1
    name: str
    inputs: Annotated[tuple[TensorSpec, ...], Meta(min_length=1)]
    outputs: Annotated[tuple[TensorSpec, ...], Meta(min_length=1)]
    preprocessing: Preprocessing
    postprocessing: Postprocessing
    limits: Limits = Limits()


class FileDigest(_Contract, frozen=True, kw_only=True):
    """sha256 in lower-case hex, and size."""

    sha256: str
    size_bytes: int


class VersionManifest(_Contract, frozen=True, kw_only=True):
    """manifest.json: every other file of the version; written last, once."""

    schema_version: Literal[1] = 1
    name: str
    version: int
    created_at: str
    files: dict[str, FileDigest]
