"""Whatever an input's rows are, into items with ids that differ, or one refusal that names what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Literal, TypeVar, cast

import msgspec

from lambent.contracts.jobs import ShardItem
from lambent.errors import LambentError, ManifestInvalid

MAX_ITEMS = 1_000_000
_REPORTED = 20
_PLURALS = {"line": "manifest lines", "row": "table rows", "entry": "archive entries", "item": "items"}

Unit = Literal["line", "row", "entry", "item"]
R = TypeVar("R")


def gather_items(
    rows: Iterable[tuple[int, R]], make: Callable[[int, R], ShardItem], *, unit: Unit, what: str
) -> Iterator[ShardItem]:
    """Yield an item a row. Rows after a bad one are still looked at, so that all that is wrong is told at once.

    Parameters
    ----------
    rows         each with its number in the source
    make         makes an item of a number and a row; raises what is wrong with the row
    unit, what   what a row is called, also in the field of an error that holds its number; and what holds the rows

    Raises
    ------
    ManifestInvalid   no items, more than MAX_ITEMS, or bad ones: up to 20 of them in ``errors``, and how many
    """
    total, failed, problems = 0, 0, []
    with SeenIds() as seen:
        for number, row in rows:
            total += 1
            if total > MAX_ITEMS:
                raise too_many_items(what)
            try:
                item = make(number, row)
                if not seen.add(item.id):
                    raise ManifestInvalid(f"The id stands on an earlier {unit} already.", field="id")
            except LambentError as error:
                failed += 1
                if failed <= _REPORTED:
                    problems.append(_problem(unit, number, error))
                continue
            yield item
    if problems:
        raise _refusal(problems, unit=unit, failed=failed, total=total)
    if not total:
        raise ManifestInvalid(f"The {what} is empty; it needs an item at least.", field="input", limit=MAX_ITEMS, got=0)


def too_many_items(what: str) -> ManifestInvalid:
    """Return the refusal of an input of too many items, which nobody counts to their end."""
    return ManifestInvalid(
        f"The {what} has more than {MAX_ITEMS} items, at most so many are taken; split it into several jobs.",
        field="input",
        limit=MAX_ITEMS,
    )


def _problem(unit: Unit, number: int, error: LambentError) -> dict[str, Any]:
    return {unit: number, "code": error.code, "field": error.field, "detail": error.detail}


def _refusal(problems: list[dict[str, Any]], *, unit: Unit, failed: int, total: int) -> ManifestInvalid:
    first = problems[0]
    return ManifestInvalid(
        f"{failed} of {total} {_PLURALS[unit]} are not valid; first: {unit} {first[unit]}: {first['detail']}",
        field="input",
        got=failed,
        errors=problems,
    )


class SeenIds(AbstractContextManager["SeenIds"]):
    """Tells an id that came before from one that is new; some 70 bytes of memory an id, however long it is.

    Only a hash of 64 bits is kept of each, and two ids may share one. So the ids also lie in a temporary file, which
    is read again before an id is called a repetition, until one was.
    """

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._file = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - closed at the end of the block
        self._is_one_repeated = False

    def __exit__(self, *_: object) -> None:
        """Remove the file."""
        self._file.close()

    def add(self, item_id: str) -> bool:
        """Return whether the id is new."""
        key = self._hash(item_id)
        line = msgspec.json.encode(item_id) + b"\n"
        if key in self._hashes and self._is_repetition(line):
            return False
        self._hashes.add(key)
        self._file.write(line)
        return True

    @staticmethod
    def _hash(item_id: str) -> int:
        # Python's hash of a string is SipHash under a key of this process: nobody can prepare ids that share one.
        return hash(item_id)

    def _is_repetition(self, line: bytes) -> bool:
        if not self._is_one_repeated:
            self._file.seek(0)
            self._is_one_repeated = line in self._file
            self._file.seek(0, 2)
        return self._is_one_repeated
