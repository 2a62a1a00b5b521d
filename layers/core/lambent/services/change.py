"""Who changes the registry, and why: checked before it is kept for good."""

from __future__ import annotations

from lambent.domain.model import Change
from lambent.domain.rollout import MOST_BY_CHARACTERS, MOST_WHY_CHARACTERS
from lambent.errors import RequestInvalid
from lambent.ports import Clock


def change_of(clock: Clock, *, by: str, why: str) -> Change:
    """Return a change that is made now; raises RequestInvalid for a text that is too long or no single line."""
    for field, text, most in (("by", by, MOST_BY_CHARACTERS), ("why", why, MOST_WHY_CHARACTERS)):
        if len(text) > most or not text.isprintable():
            raise RequestInvalid(
                f"{field} is one line of at most {most} printable characters.", field=field, limit=most, got=len(text)
            )
    return Change(clock.now(), by, why)
