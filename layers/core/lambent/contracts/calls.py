"""A call of the data plane at rest: as it waits for its turn, and what became of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class _AtRest(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: Literal[1] = 1


class StoredCall(_AtRest, frozen=True, kw_only=True):
    """A call that was accepted for later; its body lies in the data bucket, its version is pinned.

    ``is_canary`` says whether it was pinned as its label's canary, None if the label had none.
    """

    operation: str
    model: str
    version: int
    body_key: str
    headers: dict[str, str]
    query: dict[str, str]
    is_canary: bool | None = None


class StoredAnswer(_AtRest, frozen=True, kw_only=True):
    """A successful answer whose body lies in the data bucket; ``headers`` belong to the body."""

    body_key: str
    content_type: str
    size_bytes: int
    model: str
    headers: dict[str, str]


class CallOutcome(_AtRest, frozen=True, kw_only=True):
    """outcome.json of a call: its answer, or the error object; written once, so that a call has one outcome.

    ``model``, ``version`` and ``is_canary`` tell what the call was pinned to; outcomes of earlier releases do not.
    """

    answer: StoredAnswer | None = None
    error: dict[str, Any] | None = None
    model: str | None = None
    version: int | None = None
    is_canary: bool | None = None
