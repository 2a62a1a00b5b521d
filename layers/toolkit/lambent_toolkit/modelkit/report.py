"""report.json: what was measured before a version was published."""

from __future__ import annotations

import msgspec

from lambent_toolkit.modelkit.variants import Variant


class DataFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The data set; ``sha256`` is of its tensors and targets."""

    train_items: int
    validation_items: int
    test_items: int
    sha256: str


class VariantFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One form of the model on the held-out part.

    ``agreement`` is the share of test items with the Keras model's answer. Latencies are of one item, one thread, in
    ``runtime``; none for the Keras file, which Lambda does not run.
    """

    accuracy: float
    agreement: float
    size_bytes: int
    runtime: str
    load_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """report.json.

    ``published`` names the variant that model.tflite is; ``confusion`` is its: row = true class, column = predicted.
    """

    schema_version: int = 1
    recipe: str
    seed: int
    epochs: int
    data: DataFigures
    published: Variant
    variants: dict[str, VariantFigures]
    confusion: list[list[int]]
    tools: dict[str, str]


class QuantizationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """quantization.json: which variant model.tflite is; stays in the working folder."""

    variant: Variant
