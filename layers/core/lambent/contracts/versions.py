"""Published versions as the API shows them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class _View(msgspec.Struct, frozen=True, kw_only=True):
    pass


class CardView(_View, frozen=True, kw_only=True):
    """The model card of a version: ``markdown``, or ``error`` that says why there is none and what to do."""

    version: str
    markdown: str | None = None
    error: dict[str, Any] | None = None


class ChangeView(_View, frozen=True, kw_only=True):
    """Who did something to a version, when and why; ``by`` and ``why`` are empty where nobody said."""

    at: str
    by: str
    why: str


class FileView(_View, frozen=True, kw_only=True):
    """One file of a version, by the manifest."""

    name: str
    size_bytes: int
    sha256: str


class VersionView(_View, frozen=True, kw_only=True):
    """GET /models/{model}/versions/{version}.

    ``labels`` are those whose requests it gets, all or some; ``signed_by`` is the id of the key, null if it is not
    signed; ``retired`` is null while labels may point to it.
    """

    name: str
    version: str
    state: Literal["active", "retired"]
    labels: list[str]
    published: ChangeView
    retired: ChangeView | None
    signed_by: str | None
    manifest_sha256: str
    files: list[FileView]
    card: CardView
