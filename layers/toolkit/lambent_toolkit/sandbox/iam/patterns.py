"""Patterns of policies: `*` stands for any text, `?` for one character."""

from __future__ import annotations

import re
from functools import lru_cache

ARN_PARTS = 6


@lru_cache(maxsize=8192)
def pattern(text: str, *, ignores_case: bool = False) -> re.Pattern[str]:
    """Return a compiled pattern for `text`, to be used with `fullmatch`."""
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in re.split(r"([*?])", text))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignores_case else 0))


def matches_text(wanted: str, value: str) -> bool:
    """Match with case, as resources and StringLike do."""
    return pattern(wanted).fullmatch(value) is not None


def matches_action(wanted: str, action: str) -> bool:
    """Match without case, as actions do."""
    return pattern(wanted, ignores_case=True).fullmatch(action) is not None


def matches_arn(wanted: str, value: str) -> bool:
    """Match the six parts of an ARN each by itself, as ArnEquals and ArnLike do."""
    ours, theirs = wanted.split(":", ARN_PARTS - 1), value.split(":", ARN_PARTS - 1)
    return len(ours) == len(theirs) == ARN_PARTS and all(map(matches_text, ours, theirs))
