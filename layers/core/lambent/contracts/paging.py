"""Pages of a list by opaque cursors.

A cursor holds where a page ended, such as its last name, and a digest that binds it to its list and tenant: an altered
or foreign one is told from a real one. It is no secret and grants nothing, since it only says where to go on in a list
that its reader may read anyway.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from lambent.errors import CursorInvalid

MAX_PAGE = 100
_DIGEST_BYTES = 12
_MAX_CURSOR = 512


@dataclass(frozen=True)
class Page:
    """Some names, and the cursor of those that follow; None after the last."""

    names: list[str]
    next_cursor: str | None


def cut_page(names: list[str], *, scope: str, limit: str | None, cursor: str | None) -> Page:
    """Return the page of a sorted list that a request asks for.

    Parameters
    ----------
    names   all names, sorted
    scope   which list it is, and whose
    limit   as sent: a whole number from 1 to 100, which is also the default
    cursor  as sent: ``next_cursor`` of the page before

    Raises
    ------
    CursorInvalid   a limit out of its range, or a cursor that this list did not give
    """
    size = read_limit(limit)
    after = read_cursor(cursor, scope) if cursor is not None else ""
    rest = [name for name in names if name > after]
    page = rest[:size]
    return Page(page, make_cursor(page[-1], scope) if len(rest) > size else None)


def read_limit(limit: str | None) -> int:
    """Return how many entries a page may have, as a request says; raises CursorInvalid."""
    if limit is None:
        return MAX_PAGE
    if not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_PAGE)) and 1 <= int(limit) <= MAX_PAGE):
        raise CursorInvalid(f"limit is a whole number from 1 to {MAX_PAGE}.", field="limit", limit=MAX_PAGE)
    return int(limit)


def make_cursor(after: str, scope: str) -> str:
    """Return the cursor of what follows ``after`` in the list ``scope``."""
    return urlsafe_b64encode(_digest(after, scope) + after.encode()).decode().rstrip("=")


def read_cursor(cursor: str, scope: str) -> str:
    """Return the ``after`` of a cursor; raises CursorInvalid for one that this list did not give."""
    refusal = cursor_refused()
    if len(cursor) > _MAX_CURSOR:
        raise refusal
    try:
        body = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        after = body[_DIGEST_BYTES:].decode()
    except (binascii.Error, ValueError) as exc:
        raise refusal from exc
    if body[:_DIGEST_BYTES] != _digest(after, scope) or make_cursor(after, scope) != cursor:
        raise refusal
    return after


def cursor_refused() -> CursorInvalid:
    """Return the error about a cursor that a list did not give, also for one that says what it never says."""
    return CursorInvalid("The cursor is not one that this list gave; begin again without one.", field="cursor")


def _digest(after: str, scope: str) -> bytes:
    return sha256(f"{scope}\n{after}".encode()).digest()[:_DIGEST_BYTES]
