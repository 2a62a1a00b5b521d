"""The reference that stands for an answer too large to be one."""

from __future__ import annotations

from typing import Literal

import msgspec


class AnswerReference(msgspec.Struct, frozen=True, kw_only=True):
    """Body of a 303: the answer lies at ``url`` for ``expires_s`` seconds; ``headers`` belong to it."""

    code: Literal["answer_stored"] = "answer_stored"
    url: str
    size_bytes: int
    content_type: str
    expires_s: int
    headers: dict[str, str]
