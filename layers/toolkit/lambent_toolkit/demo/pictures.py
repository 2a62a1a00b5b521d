"""Digits drawn with characters, and the test pictures that the demo sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rich.text import Text

from lambent.contracts.model import Classification
from lambent.contracts.tensor import Array
from lambent.domain.postprocessing import activate
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES, digits

_RAMP = " .:-=+*#%@"


@dataclass(frozen=True)
class TestDigit:
    """A held-out digit with what the evaluation measured for it.

    Parameters
    ----------
    name : str        e.g. digit-07
    picture : bytes   PNG
    label : str       what was written, "0" to "9"
    tensor            float32, shape (28, 28, 1)
    scores            float32, shape (10,), of the published file in the serving interpreter
    confidence        best score after the contract's temperature, which is what a person is told
    """

    name: str
    picture: bytes
    label: str
    tensor: Array
    scores: Array
    confidence: float

    @property
    def expected(self) -> str:
        """What the published file answers."""
        return digits.CONTRACT.postprocessing.labels[int(self.scores.argmax())]  # type: ignore[union-attr]


def golden_digits(golden: bytes, spec: Classification) -> list[TestDigit]:
    """Return the digits of golden.npz, which are the first of the held-out part, one of each kind at most.

    Parameters
    ----------
    golden   bytes of the file
    spec     the contract's postprocessing, with its temperature
    """
    vectors = GoldenVectors.from_npz(golden)
    tensors, scores = vectors.tensors["image"], vectors.outputs["scores"]
    confidences = activate(scores, spec).max(axis=1).tolist()
    labels = [str(number) for number in held_out(RECIPES["digits"]).targets[: len(vectors.raw)]]
    kinds: dict[str, TestDigit] = {}
    for row, label in enumerate(labels):
        name = f"digit-{row:02d}"
        kinds.setdefault(label, TestDigit(name, vectors.raw[row], label, tensors[row], scores[row], confidences[row]))
    return list(kinds.values())


def draw(tensor: Array, *, is_terminal: bool) -> Text:
    """Return a picture as text.

    Parameters
    ----------
    tensor : ndarray     float32, shape (28, 28, 1), 0 to 1
    is_terminal : bool   whether to use half blocks in shades of grey, two rows of pixels a line; letters otherwise
    """
    rows = _shaded(tensor[:, :, 0]) if is_terminal else _lettered(tensor[:, :, 0])
    return Text("\n").join(rows)


def _shaded(pixels: Array) -> Iterator[Text]:
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        line = Text()
        for top, bottom in zip(upper, lower, strict=True):
            line.append("▀", style=f"{_grey(top)} on {_grey(bottom)}")
        yield line


def _lettered(pixels: Array) -> Iterator[Text]:
    for row in (pixels[::2] + pixels[1::2]) / 2:
        steps = np.clip((row * len(_RAMP)).astype(int), 0, len(_RAMP) - 1)
        yield Text("".join(_RAMP[step] for step in steps))


def _grey(value: float) -> str:
    level = round(float(value) * 255)
    return f"rgb({level},{level},{level})"
