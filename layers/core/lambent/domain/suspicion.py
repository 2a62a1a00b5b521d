"""Which items a shard's processes died with: who is to be tried alone, and who is guilty.

A process that dies takes all with it that was in flight. The next one tries these alone, one after the other; whoever
ends that one, too, is guilty, fails alone, and the rest goes on. A host that is taken away ends processes as well, so
an end that can come from outside has to come twice.
"""

from __future__ import annotations

from typing import Literal

import msgspec

# An end that only what was computed can have caused weighs as much as two others.
_EVIDENT, _OTHER = 2, 1
_GUILTY_ALONE = 2
# Items that all survive alone are many for the memory, if anything: not so for a host that is taken away twice.
_TOO_MANY_TOGETHER = 3


class End(msgspec.Struct, frozen=True):
    """How a process ended that should not have.

    Parameters
    ----------
    text         for the caller: what the process did, e.g. ``died of SIGFPE``
    is_evident   whether what it computed must have caused it: a crash or a hang, and not a kill from outside
    """

    text: str
    is_evident: bool


LOST = End("was ended together with its host, or took all of its memory", is_evident=False)


class InFlight(msgspec.Struct, frozen=True, kw_only=True):
    """What a process was at when it ended, as positions in the shard.

    Parameters
    ----------
    alone      the suspect that it tried
    together   what it computed as one batch or prepared meanwhile
    survived   suspects that it had tried
    """

    alone: int | None = None
    together: list[int] = []
    survived: list[int] = []

    def __bool__(self) -> bool:
        """Return whether there was any item."""
        return self.alone is not None or bool(self.together)


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a shard's items after the deaths so far.

    Parameters
    ----------
    suspects   to be tried alone before anything else
    cleared    those that survived that
    guilty     how the process ended that tried one, by its position
    weights    of the ends that one has met alone without being guilty yet
    together   weight of the ends of batches of cleared items only
    """

    schema_version: Literal[1] = 1
    suspects: list[int] = []
    cleared: list[int] = []
    guilty: dict[int, str] = {}
    weights: dict[int, int] = {}
    together: int = 0

    @property
    def is_batch_too_large(self) -> bool:
        """Return whether batches end processes whose items do not."""
        return self.together >= _TOO_MANY_TOGETHER

    def after(self, found: InFlight, end: End) -> Suspicion:
        """Return what is known after one more death."""
        known = msgspec.structs.replace(self, cleared=sorted({*self.cleared, *found.survived}))
        alone = _only_one(known, found)
        if alone is not None:
            return _after_one(known, alone, end)
        if found.together:
            return _after_batch(known, found.together, end)
        return known

    def without_halving(self) -> Suspicion:
        """Return the same after batches were made smaller."""
        return msgspec.structs.replace(self, together=0)


def _only_one(known: Suspicion, found: InFlight) -> int | None:
    """Return the one item that was in flight, if it was on trial or has been before."""
    if found.alone is None and len(found.together) == 1 and found.together[0] in known.cleared:
        return found.together[0]
    return found.alone


def _after_one(known: Suspicion, position: int, end: End) -> Suspicion:
    weight = known.weights.get(position, 0) + _weight(end)
    others = [each for each in known.suspects if each != position and each not in known.cleared]
    if weight >= _GUILTY_ALONE:
        return msgspec.structs.replace(known, suspects=others, guilty={**known.guilty, position: end.text})
    cleared = [each for each in known.cleared if each != position]
    weights = {**known.weights, position: weight}
    return msgspec.structs.replace(known, suspects=[position, *others], cleared=cleared, weights=weights)


def _after_batch(known: Suspicion, positions: list[int], end: End) -> Suspicion:
    suspects = [each for each in positions if each not in known.cleared and each not in known.guilty]
    if suspects:
        return msgspec.structs.replace(known, suspects=suspects, together=0)
    return msgspec.structs.replace(known, suspects=[], together=known.together + _weight(end))


def _weight(end: End) -> int:
    return _EVIDENT if end.is_evident else _OTHER
