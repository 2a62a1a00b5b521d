"""JSON bodies of the media door, by kind of model: strict, so that a misspelt field is never silently ignored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pybase64

from lambent.contracts.decoding import decode_json
from lambent.contracts.model import ImagePreprocessing, ModelContract, TextPreprocessing
from lambent.errors import RequestInvalid

_BODY = "request body"
RawItem = bytes | str | dict[str, Any]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Base64File(_Strict, frozen=True):
    """A file's bytes in base64 (RFC 4648, section 4)."""

    b64: str


class ImageRequest(_Strict, frozen=True):
    """One picture, or several."""

    image: Base64File | None = None
    images: list[Base64File] | None = None


class TextRequest(_Strict, frozen=True):
    """One text, or several."""

    text: str | None = None
    texts: list[str] | None = None


class RowsRequest(_Strict, frozen=True):
    """Table rows: an object of column and value each."""

    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class MediaItems:
    """The raw items of a request; ``field`` is the list that they stand in, None where the body is the item."""

    items: Sequence[RawItem]
    field: str | None = None


def read_json_items(body: bytes, contract: ModelContract) -> MediaItems:
    """Return the items of a JSON body.

    Raises
    ------
    JsonInvalid, JsonTooComplex, FieldNotAllowed
    RequestInvalid   neither or both of the two forms, no items, more than the contract allows, or not base64
    """
    found = _read(body, contract)
    if found.field is not None:
        check_count(len(found.items), contract.limits.max_rows, field=found.field)
    return found


def _read(body: bytes, contract: ModelContract) -> MediaItems:
    if isinstance(contract.preprocessing, ImagePreprocessing):
        images = decode_json(body, ImageRequest, what=_BODY)
        return _decoded(_one_or_many(images.image, images.images, names=("image", "images")))
    if isinstance(contract.preprocessing, TextPreprocessing):
        texts = decode_json(body, TextRequest, what=_BODY)
        return _one_or_many(texts.text, texts.texts, names=("text", "texts"))
    return MediaItems(decode_json(body, RowsRequest, what=_BODY).rows, "rows")


def _one_or_many(one: Any, many: list[Any] | None, *, names: tuple[str, str]) -> MediaItems:
    if (one is None) == (many is None):
        raise RequestInvalid(f"Send either '{names[0]}' (one) or '{names[1]}' (a list), and not both.", field=names[0])
    return MediaItems([one]) if many is None else MediaItems(many, names[1])


def _decoded(found: MediaItems) -> MediaItems:
    """Return files for their base64 forms."""
    places = ["image"] if found.field is None else [f"{found.field}[{index}]" for index in range(len(found.items))]
    return MediaItems([_file(item, place) for item, place in zip(found.items, places, strict=True)], found.field)


def _file(file: Any, place: str) -> bytes:
    try:
        body: bytes = pybase64.b64decode(file.b64, validate=True)
    except ValueError as exc:
        raise RequestInvalid(
            "The string is not base64 (RFC 4648, section 4), with its padding and without line ends.",
            field=f"{place}.b64",
        ) from exc
    return body


def check_count(count: int, max_count: int, *, field: str) -> None:
    """Raise RequestInvalid unless a request's list holds at least one item and at most ``max_count``."""
    if not 1 <= count <= max_count:
        raise RequestInvalid(
            f"A request may hold 1 to {max_count} items; split it or use the batch door.",
            field=field,
            limit=max_count,
            got=count,
        )
