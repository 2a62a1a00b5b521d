"""Versions of the smallest model there is, dark or bright, published to a running stack without the gate."""

from __future__ import annotations

from pathlib import Path

from builders import contract, golden_vectors
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import Classification, Limits, ModelContract
from lambent.domain.card import CARD_FILE
from lambent.domain.model import ModelRef
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import StackInfo

SHADE = Path(__file__).parents[1] / "fixtures" / "shade.float32.tflite"


def shade_contract(name: str, labels: tuple[str, str] = ("dark", "bright")) -> ModelContract:
    """Return the model's contract under a name of its own, since tests share a stack."""
    return contract(
        name=name,
        postprocessing=Classification(labels=labels),
        limits=Limits(max_input_bytes=200_000, max_pixels=10_000, max_rows=8),
    )


def shade_files(declared: ModelContract, *, card: str | None = None, model: bytes | None = None) -> dict[str, bytes]:
    """Return a version's files; ``model`` is the file to publish with the good file's golden vectors."""
    golden = golden_vectors(declared, LiteInterpreterLoader().load(SHADE, declared).run)
    files = {"model.tflite": model or SHADE.read_bytes(), "golden.npz": golden.to_npz()}
    return files if card is None else {**files, CARD_FILE: card.encode()}


def publish_shade(
    stack: StackInfo,
    *,
    name: str,
    labels: tuple[str, str] = ("dark", "bright"),
    card: str | None = None,
    model: bytes | None = None,
) -> ModelRef:
    """Publish the next version, of the files that `shade_files` makes."""
    declared = shade_contract(name, labels)
    return Publisher(stack).publish_files(shade_files(declared, card=card, model=model), declared).ref
