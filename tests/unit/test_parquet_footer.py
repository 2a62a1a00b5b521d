"""Rows of a Parquet file, counted by its footer."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from hypothesis import given
from hypothesis import strategies as st

from lambent.contracts.parquet_footer import MAX_FOOTER_BYTES, TAIL_BYTES, footer_bytes, rows_of
from lambent.errors import ManifestInvalid


def parquet(rows: int, columns: int = 3) -> bytes:
    values = {f"column {number}": Array(list(range(rows)), DataType.int64()) for number in range(columns)}
    buffer = BytesIO()
    write_parquet(Table.from_pydict(values), buffer)
    return buffer.getvalue()


def rows(body: bytes) -> int:
    size = footer_bytes(body[-TAIL_BYTES:])
    return rows_of(body[-TAIL_BYTES - size : -TAIL_BYTES])


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (300, 3), (100_000, 2), (5, 40)])
def test_rows_are_counted_as_the_writer_wrote_them(count: int, columns: int) -> None:
    assert rows(parquet(count, columns)) == count


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"PAR1",
        b"\x00\x00\x00\x00PAR1",
        b"\x10\x00\x00\x00PARE",
        (MAX_FOOTER_BYTES + 1).to_bytes(4, "little") + b"PAR1",
    ],
)
def test_what_ends_otherwise_is_no_parquet(tail: bytes) -> None:
    with pytest.raises(ManifestInvalid, match="not Parquet"):
        footer_bytes(tail)


@pytest.mark.parametrize("cut", range(0, 40, 4))
def test_a_footer_that_ends_too_early_is_refused(cut: int) -> None:
    body = parquet(300)
    size = footer_bytes(body[-TAIL_BYTES:])
    footer = body[-TAIL_BYTES - size : -TAIL_BYTES]

    with pytest.raises(ManifestInvalid):
        rows_of(footer[:cut])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_count_or_a_refusal(body: bytes) -> None:
    with suppress(ManifestInvalid):
        assert rows_of(body) >= 0


def test_a_list_longer_than_the_footer_is_refused_at_once() -> None:
    with pytest.raises(ManifestInvalid):
        rows_of(b"\x19\xf1" + b"\xff" * 8 + b"\x7f")


def test_structs_within_structs_without_end_are_refused() -> None:
    with pytest.raises(ManifestInvalid):
        rows_of(b"\x1c" * 10_000)
