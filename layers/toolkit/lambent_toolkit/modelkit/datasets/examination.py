"""Read every candidate as serving would read it, and keep what the checks need of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ImagePreprocessing, Limits, ModelContract, RawOutputs, TensorSpec, TextPreprocessing
from lambent.domain.model import TOKENIZER_FILE
from lambent.domain.model import digest as file_digest
from lambent.domain.preprocessing.image import decode_image
from lambent.errors import LambentError
from lambent_toolkit.modelkit.datasets.candidates import Candidate, Problem, Source
from lambent_toolkit.modelkit.datasets.fingerprints import difference_hash
from lambent_toolkit.modelkit.datasets.manifest import Kind, digest
from lambent_toolkit.modelkit.datasets.origins import in_order
from lambent_toolkit.modelkit.datasets.pictures import upright_size
from lambent_toolkit.modelkit.watcher import Watcher

SIDE_PX = 16
_ANY_TEXT = "any"
_SMALL = ImagePreprocessing(height=SIDE_PX, width=SIDE_PX, channels=3, resize="box")


@dataclass(frozen=True)
class Features:
    """What is kept of an item after its bytes are gone.

    Parameters
    ----------
    sizes    name → number: width, height, characters
    pixels   of a picture: uint8, shape (16, 16, 3), RGB; nothing else is kept of it
    hash     of a picture, see `fingerprints.difference_hash`; of a text, of its letters and digits alone, case folded;
             None of a row
    text     the text, of a text
    row      column → number, word or None, of a row
    """

    sizes: dict[str, int]
    pixels: NDArray[np.uint8] | None = None
    hash: int | None = None
    text: str | None = None
    row: dict[str, Any] | None = None


@dataclass(frozen=True)
class Examined:
    """A candidate that can be read."""

    candidate: Candidate
    sha256: str
    size_bytes: int
    features: Features


def examine(source: Source, limits: Limits, watcher: Watcher) -> tuple[list[Examined], list[Problem]]:
    """Read all candidates of a source; one that serving would refuse is a problem with serving's own code and words.

    Raises
    ------
    SourceUnavailable   nothing can be said about the rest
    """
    read = measure(source.kind, limits)

    def work(candidate: Candidate) -> Examined | Problem:
        try:
            body = candidate.body
            if body is None:
                body = source.origin.read(candidate.path or "", max_bytes=limits.max_input_bytes)
            return Examined(candidate, digest(body), len(body), read(body))
        except LambentError as error:
            where = candidate.path or candidate.id.replace("-", " ")
            return Problem(where, error.code, error.detail)

    examined: list[Examined] = []
    problems: list[Problem] = []
    watcher.begin("reading items", total=len(source.candidates))
    for result in _results(work, source):
        if isinstance(result, Problem):
            problems.append(result)
        else:
            examined.append(result)
        watcher.advance(f"{len(problems)} unreadable" if problems else "")
    return examined, problems


def _results(work: Callable[[Candidate], Examined | Problem], source: Source) -> Iterator[Examined | Problem]:
    if source.kind == "image" or any(each.body is None for each in source.candidates):
        return in_order(work, source.candidates, workers=source.origin.workers)
    return map(work, source.candidates)


def measure(kind: Kind, limits: Limits) -> Callable[[bytes], Features]:
    """Return what makes features of a raw item; it raises serving's errors for one that serving refuses."""
    if kind == "image":
        return lambda body: _measure_image(body, limits)
    if kind == "text":
        return _TextReader(limits)
    return _measure_row


def _measure_image(body: bytes, limits: Limits) -> Features:
    pixels = np.array(decode_image(body, _SMALL, limits))
    width, height = upright_size(body)
    return Features({"width": width, "height": height}, pixels=pixels, hash=difference_hash(pixels))


class _TextReader:
    """Reads texts by serving's preprocessing, with a tokenizer that knows any text as one token."""

    def __init__(self, limits: Limits) -> None:
        from tokenizers import Tokenizer, models

        from lambent.domain.preprocessing.text import TextPreprocessor

        asset = Tokenizer(models.WordLevel({_ANY_TEXT: 0}, unk_token=_ANY_TEXT)).to_str().encode()
        contract = ModelContract(
            name="any-text",
            inputs=(TensorSpec(name="ids", datatype="INT32", shape=(-1, 1)),),
            outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 1)),),
            preprocessing=TextPreprocessing(
                tokenizer_sha256=file_digest(asset), max_tokens=1, ids_input="ids", too_long="truncate"
            ),
            postprocessing=RawOutputs(),
            limits=limits,
        )
        self._preprocessor = TextPreprocessor(contract, {TOKENIZER_FILE: asset})

    def __call__(self, body: bytes) -> Features:
        self._preprocessor.prepare(body)
        text = body.decode("utf-8-sig")
        return Features({"characters": len(text)}, hash=_letters_hash(text), text=text)


def _letters_hash(text: str) -> int | None:
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(each for each in folded if each.isalnum())
    return int.from_bytes(sha256(letters.encode()).digest()[:8]) if letters else None


def _measure_row(body: bytes) -> Features:
    return Features({}, row=msgspec.json.decode(body, type=dict[str, Any]))
