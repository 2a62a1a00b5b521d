"""How many rows a Parquet file has, by its footer alone (https://parquet.apache.org/docs/file-format/metadata/).

The footer is a Thrift struct in the compact protocol, of which only the field ``num_rows`` is read: the function behind
HTTP has no reader of Parquet, and yet can count rows.
"""

from __future__ import annotations

from lambent.errors import ManifestInvalid

MAGIC = b"PAR1"
# Length of the footer and the magic number, at the file's end.
TAIL_BYTES = 8
MAX_FOOTER_BYTES = 16 << 20
_NUM_ROWS = 3
_MAX_DEPTH = 16
_VARINT_BYTES = 10
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = (4, 5, 6)
_LONG_LIST = 15


def footer_bytes(tail: bytes) -> int:
    """Return the footer's length as the last 8 bytes of a file tell it; raises ManifestInvalid."""
    size = int.from_bytes(tail[:4], "little")
    if len(tail) != TAIL_BYTES or tail[4:] != MAGIC or not 0 < size <= MAX_FOOTER_BYTES:
        raise _no_parquet()
    return size


def rows_of(footer: bytes) -> int:
    """Return the number of rows; raises ManifestInvalid for what is no footer."""
    try:
        return _Compact(footer).rows()
    except IndexError as exc:
        raise _no_parquet() from exc


class _Compact:
    """Reads the compact protocol; an IndexError says that the bytes end too early."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def rows(self) -> int:
        number = 0
        while (kind := self._kind_of_next(number))[1] != _STOP:
            number, what = kind
            if number == _NUM_ROWS and what in _INTEGERS:
                rows = self._integer()
                if rows >= 0:
                    return rows
                break
            self._skip(what, depth=0)
        raise _no_parquet()

    def _kind_of_next(self, number: int) -> tuple[int, int]:
        """Return the next field's number and type."""
        header = self._byte()
        if header == _STOP:
            return number, _STOP
        return (number + (header >> 4) if header >> 4 else self._integer()), header & 0x0F

    def _skip(self, what: int, *, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise _no_parquet()
        if what in _INTEGERS:
            self._varint()
        elif what in {_BYTE, _DOUBLE, _BINARY}:
            self._pass_over({_BYTE: 1, _DOUBLE: 8}.get(what) or self._varint())
        elif what in {_LIST, _SET}:
            self._skip_list(depth)
        elif what == _STRUCT:
            number = 0
            while (kind := self._kind_of_next(number))[1] != _STOP:
                number = kind[0]
                self._skip(kind[1], depth=depth + 1)
        elif what not in {_TRUE, _FALSE}:  # a field's truth is its type; the format has no maps
            raise _no_parquet()

    def _skip_list(self, depth: int) -> None:
        header = self._byte()
        count = header >> 4 if header >> 4 != _LONG_LIST else self._varint()
        if count > len(self._body):  # no element takes less than a byte
            raise _no_parquet()
        for _ in range(count):
            kind = header & 0x0F
            self._skip(_BYTE if kind in {_TRUE, _FALSE} else kind, depth=depth + 1)

    def _pass_over(self, size: int) -> None:
        self._at += size
        if self._at > len(self._body):
            raise _no_parquet()

    def _byte(self) -> int:
        value = self._body[self._at]
        self._at += 1
        return value

    def _varint(self) -> int:
        value = 0
        for place in range(_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that there is more
                return value
        raise _no_parquet()

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def _no_parquet() -> ManifestInvalid:
    return ManifestInvalid("The table is not Parquet: its footer cannot be read.", field="input.uri")
