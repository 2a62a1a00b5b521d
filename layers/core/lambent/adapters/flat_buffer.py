"""A reader of flat buffers that believes nothing: every offset, length and table is held against the file's own size.

https://flatbuffers.dev/internals. The runtimes that serve models follow offsets wherever they lead.
"""

from __future__ import annotations

from mmap import mmap
from struct import Struct

_U16, _I32, _U32, _U64, _I64 = Struct("<H"), Struct("<i"), Struct("<I"), Struct("<Q"), Struct("<q")
_FIRST_FIELD = 4  # of a table, behind its way to the vtable; and of a vtable, behind its two sizes
WIDTHS = {"1": 1, "2": 2, "4": 4, "8": 8}
VECTORS = {"a": 1, "b": 2, "c": 4, "d": 8}
STRING = "s"
_READERS = {1: Struct("<b"), 2: Struct("<h"), 4: _I32, 8: _I64}
# Where it stands, where its fields stand from there, and its size.
Table = tuple[int, tuple[int, ...], int]
# Where its first element stands, and how many it has.
Vector = tuple[int, int]
NOTHING: Vector = (0, 0)


class Malformed(Exception):
    """Something lies outside of the file, or of the table that it belongs to; the text says what."""


class FlatBuffer:
    """The bytes of one flat buffer.

    Parameters
    ----------
    data          of the whole file
    most_tables   that may be looked at: tables may be shared, so that a small file lists any number of them
    most_numbers  that may be read of vectors, which may be shared likewise
    """

    def __init__(self, data: bytes | mmap, *, most_tables: int, most_numbers: int) -> None:
        self._data, self.size = data, len(data)
        self._most_tables = self._tables_left = most_tables
        self._most_numbers = self._numbers_left = most_numbers
        self._layouts: dict[int, tuple[tuple[int, ...], int]] = {}

    def root(self) -> Table:
        """Return the outermost table."""
        return self._table(self._number(_U32, 0, 4))

    def number(self, table: Table, field: int, width: int, default: int = 0) -> int:
        """Return a whole number of ``width`` bytes, as signed."""
        at = self.place(table, field, width)
        return int(_READERS[width].unpack_from(self._data, at)[0]) if at else default

    def unsigned(self, table: Table, field: int, width: int) -> int:
        """Return a whole number of ``width`` bytes, as unsigned; 0 where there is none."""
        return self.number(table, field, width) & ((1 << 8 * width) - 1)

    def table(self, table: Table, field: int) -> Table | None:
        """Return a table that a table names."""
        at = self.place(table, field, 4)
        return self._table(at + self._number(_U32, at, 4)) if at else None

    def tables(self, table: Table, field: int, most: int) -> list[Table]:
        """Return the tables that a table lists, which may be ``most``."""
        start, count = self.vector(table, field, 4)
        if count > most:
            raise Malformed(f"it lists {count} parts of a kind, and may list {most}")
        return [self._table(at + self._number(_U32, at, 4)) for at in range(start, start + 4 * count, 4)]

    def vector(self, table: Table, field: int, width: int) -> Vector:
        """Return where a vector of numbers of ``width`` bytes stands; `NOTHING` where there is none."""
        at = self.place(table, field, 4)
        if not at:
            return NOTHING
        start = at + self._number(_U32, at, 4)
        count = self._number(_U32, start, 4)
        if start + 4 + count * width > self.size:
            raise Malformed(f"a vector of {count} elements ends behind the file")
        return start + 4, count

    def string(self, table: Table, field: int) -> Vector:
        """Return where a text stands, which ends with a zero as C reads it."""
        start, count = self.vector(table, field, 1)
        if start and (start + count >= self.size or self._data[start + count] != 0):
            raise Malformed("a text has no end")
        return start, count

    def whole(self, vector: Vector, most: int) -> tuple[int, ...]:
        """Return the 32-bit numbers of a vector, which may be ``most``."""
        return self._read(vector, most, 4, "i")

    def long(self, vector: Vector, most: int) -> tuple[int, ...]:
        """Return the 64-bit numbers of a vector, which may be ``most``."""
        return self._read(vector, most, 8, "q")

    def octets(self, vector: Vector, most: int) -> bytes:
        """Return the bytes of a vector, which may be ``most``."""
        start, count = vector
        if count > most:
            raise Malformed(f"{count} bytes stand where there may be {most}")
        return bytes(self._data[start : start + count])

    def check_fields(self, table: Table, kinds: str) -> None:
        """Hold every field of a table to its kind: one letter each, see `WIDTHS`, `VECTORS` and `STRING`."""
        for field, kind in enumerate(kinds[: len(table[1])]):
            if kind in WIDTHS:
                self.place(table, field, WIDTHS[kind])
            elif kind in VECTORS:
                self.vector(table, field, VECTORS[kind])
            elif kind == STRING:
                self.string(table, field)

    def place(self, table: Table, field: int, width: int) -> int:
        """Return where a field stands, 0 for one that is left out."""
        start, places, size = table
        place = places[field] if field < len(places) else 0
        if place and place + width > size:
            raise Malformed("a field lies outside of its table")
        return start + place if place else 0

    def _table(self, start: int) -> Table:
        self._tables_left -= 1
        if self._tables_left < 0:
            raise Malformed(f"it has more than {self._most_tables} tables")
        layout_at = start - self._number(_I32, start, 4)
        if layout_at not in self._layouts:
            self._layouts[layout_at] = self._layout(layout_at)
        places, size = self._layouts[layout_at]
        if start + size > self.size:
            raise Malformed("a table ends behind the file")
        return start, places, size

    def _layout(self, at: int) -> tuple[tuple[int, ...], int]:
        length, size = self._number(_U16, at, 2), self._number(_U16, at + 2, 2)
        if length < _FIRST_FIELD or length % 2 or size < _FIRST_FIELD or at + length > self.size:
            raise Malformed("a table's layout is none")
        places = tuple(_U16.unpack_from(self._data, each)[0] for each in range(at + _FIRST_FIELD, at + length, 2))
        if any(place and not _FIRST_FIELD <= place < size for place in places):
            raise Malformed("a field lies outside of its table")
        return places, size

    def _number(self, kind: Struct, at: int, width: int) -> int:
        if not 0 <= at <= self.size - width:
            raise Malformed("an offset leads out of the file")
        return int(kind.unpack_from(self._data, at)[0])

    def _read(self, vector: Vector, most: int, width: int, letter: str) -> tuple[int, ...]:
        start, count = vector
        if count > most:
            raise Malformed(f"{count} numbers stand where there may be {most}")
        if start + width * count > self.size:
            raise Malformed("numbers lie behind the file")
        self._numbers_left -= count
        if self._numbers_left < 0:
            raise Malformed(f"its tables list more than {self._most_numbers} numbers")
        return Struct(f"<{count}{letter}").unpack_from(self._data, start)
