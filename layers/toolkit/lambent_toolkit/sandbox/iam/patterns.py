"""Patterns of policies: `*` stands for any text, `?` for one character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

ARN_PARTS = 6


@lru_cache(maxsize=8192)
def pattern(text: str, *, ignores_case: bool = False) -> re.Pattern[str]:
    """Return a compiled pattern for `text`, to be used with `fullmatch`."""
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in re.split(r"([*?])", text))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignores_case else 0))


VARIABLE = re.compile(r"\$\{aws:PrincipalTag/([\w+=.@-]+)\}", re.IGNORECASE)


def has_unknown_variable(text: str) -> bool:
    """Tell whether a pattern has a policy variable that is none of a caller's tags."""
    return "${" in VARIABLE.sub("", text)


def filled(text: str, context: Mapping[str, tuple[str, ...]]) -> str | None:
    """Put the caller's tags in place of policy variables; None if the caller has no such tag, or one with `*` or `?`.

    Those AWS takes as they are; tags of sessions have none, see STS's own pattern of them.
    """
    tags = {name: context.get(f"aws:principaltag/{name.lower()}") for name in VARIABLE.findall(text)}
    if any(not found or set("*?") & set(found[0]) for found in tags.values()):
        return None
    return VARIABLE.sub(lambda each: str((tags[each.group(1)] or ("",))[0]), text)


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
