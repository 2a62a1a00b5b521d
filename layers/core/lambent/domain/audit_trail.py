"""The trail of changes: who changed what of the stack, when and why, each line bound to the one before by its digest.

What holds it together: a line's digest covers its content, its number and the digest of the line before, and the head
tells the last line's number and digest. So a line that is changed, removed, inserted or moved breaks the chain at its
place, and one that is cut off at the end is missed by the head. Who can write all lines and the head can make another
trail that fits in itself: that shows against a head that was noted before, elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import msgspec

BEGINNING = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One change.

    Parameters
    ----------
    at        RFC 3339
    by        who did it, as they say themselves
    action    what was done, e.g. ``label set``
    subject   to what, e.g. ``model digits`` or ``tenant acme``
    detail    more of it, e.g. ``live → 2``
    why       the reason that was given, or nothing
    """

    at: str
    by: str
    action: str
    subject: str
    detail: str = ""
    why: str = ""


@dataclass(frozen=True)
class Line:
    """An entry in its place: the number, from 1, and the digest of the line before."""

    number: int
    previous: str
    entry: Entry

    @property
    def digest(self) -> str:
        """SHA-256 of all that the line says, in hex."""
        said = {"number": self.number, "previous": self.previous, **asdict(self.entry)}
        return sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


@dataclass(frozen=True)
class Head:
    """The end of the trail: the last line's number, 0 if there is none, and its digest."""

    number: int = 0
    digest: str = BEGINNING

    def next_line(self, entry: Entry) -> Line:
        """Return the line that follows."""
        return Line(self.number + 1, self.digest, entry)

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


@dataclass(frozen=True)
class StoredLine:
    """A line as it was found: where it stands, what it says of itself, and the digest beside it.

    ``line`` is None where the row is none that a trail writes.
    """

    place: str
    line: Line | None
    digest: str


def place_of(number: int) -> str:
    """Return the place of a line, by which they sort."""
    return f"LINE#{number:010d}"


def read_head(text: str) -> Head | None:
    """Return the head of a text ``NUMBER:DIGEST``, None if it is none."""
    number, _, digest = text.partition(":")
    if not number.isascii() or not number.isdigit() or len(digest) != len(BEGINNING):
        return None
    return Head(int(number), digest)


def breaks(found: Sequence[StoredLine], head: Head | None, noted: Sequence[Head] = ()) -> list[str]:
    """Return what is wrong with a trail, one text a break; nothing if it is whole.

    Parameters
    ----------
    found   all lines by their places
    head    as stored; None where there is none
    noted   heads that were seen before
    """
    broken, last, at = [], Head(), dict[int, str]()
    for expected, stored in enumerate(found, start=1):
        problem = _break_of(stored, expected, last)
        if problem:
            broken.append(problem)
            break  # what follows cannot be judged without the line that is broken
        last = Head(expected, stored.digest)
        at[expected] = stored.digest
    if not broken and (head or Head()) != last:
        broken.append(f"the head tells of {(head or Head()).number} lines, {last.number} are there: an end was cut off")
    broken += [
        f"line {each.number} is not the one that was noted: the trail was written anew, or its end was cut off"
        for each in noted
        if each.number and at.get(each.number) != each.digest and not broken
    ]
    return broken


def _break_of(stored: StoredLine, expected: int, last: Head) -> str | None:
    line = stored.line
    if stored.place != place_of(expected):
        return f"where line {expected} should be is {stored.place}: a line is missing, or one was put in"
    if line is None:
        return f"line {expected} is none that a change writes"
    if line.number != expected or line.previous != last.digest:
        return f"line {expected} does not follow the one before it: it was moved, or that one was changed"
    if line.digest != stored.digest:
        return f"line {expected} was changed: it does not say what it said"
    return None


def line_fields(line: Line) -> dict[str, Any]:
    """Return a line's columns."""
    return {"number": line.number, "previous": line.previous, **asdict(line.entry), "digest": line.digest}


def read_line(fields: Mapping[str, Any]) -> Line | None:
    """Return the line of columns, None unless they are exactly those of one."""
    names = {"number", "previous", "digest", *Entry.__dataclass_fields__}
    if fields.keys() != names or not isinstance(fields["number"], int) or isinstance(fields["number"], bool):
        return None
    said = {name: fields[name] for name in names - {"number"}}
    if not all(isinstance(each, str) for each in said.values()):
        return None
    return Line(fields["number"], said.pop("previous"), Entry(**{k: v for k, v in said.items() if k != "digest"}))
