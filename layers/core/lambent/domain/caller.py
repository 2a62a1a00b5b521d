"""Who calls, and what the caller may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lambent.errors import ForbiddenAction


class Scope(StrEnum):
    """What an API key may be used for."""

    PREDICT = "predict"
    JOBS = "jobs"
    OPERATOR = "operator"


DEFAULT_SCOPES = frozenset({Scope.PREDICT, Scope.JOBS})
ALL_SCOPES = frozenset(Scope)
# What a route needs that names no scope of its own: a key without any opens nothing.
ANY_SCOPE = tuple(Scope)


@dataclass(frozen=True)
class Caller:
    """A tenant, the scopes of the key that it called with, and the key's end (RFC 3339; None: it has none)."""

    tenant: str
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    valid_until: str | None = None

    def require(self, *scopes: Scope) -> None:
        """Raise ForbiddenAction unless the key has one of these scopes."""
        if self.scopes.isdisjoint(scopes):
            names = [scope.value for scope in scopes]
            raise ForbiddenAction(
                f"This API key lacks the scope {' or '.join(map(repr, names))}, which this route needs; use a key that "
                "has it.",
                field="x-api-key",
                limit=names[0] if len(names) == 1 else names,
                got=sorted(self.scopes),
            )


def read_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of these names; names that this release does not know grant nothing."""
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[name] for name in names if name in known)
