"""Parquet tables, written by another library than the one that reads them, and hostile ones."""

import os
from pathlib import Path
from threading import Event

import duckdb
import pytest
from input_steps import HOME, put, read, refusal
from test_table_inputs import ROWS, TEXTS

from builders import TENANT, contract
from lambent.adapters.sacrificial_child import ForkedIsolation
from lambent.contracts import parquet_rows
from lambent.contracts.jobs import ShardItem
from lambent.errors import ManifestInvalid
from lambent.services import gather_items, read_tables
from patience import PATIENCE_S

URI = {"uri": f"{HOME}t.parquet"}
GOOD = "SELECT 4 AS width, 2.5 AS height, 'red' AS colour"


def forked(**changes: object) -> ForkedIsolation:
    limits = {"timeout_s": PATIENCE_S, "memory_bytes": 256 << 20, "file_bytes": 64 << 20, **changes}
    return ForkedIsolation(**limits)


@pytest.fixture
def table(tmp_path: Path):
    """Return what makes a Parquet file's bytes of a query."""

    def make(query: str, options: str = "") -> bytes:
        file = tmp_path / "t.parquet"
        with duckdb.connect() as database:
            database.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet{options})")
        return file.read_bytes()

    return make


def rows(body: bytes, declared=ROWS, **source: object) -> list[ShardItem]:
    return read(put("t.parquet", body), declared=declared, **{**URI, **source})


def refused(body: bytes, declared=ROWS, isolation=None, **source: object) -> ManifestInvalid:
    return refusal(put("t.parquet", body), declared=declared, isolation=isolation, **{**URI, **source})


def test_a_row_is_an_item_of_the_model_s_columns_whatever_numbers_are_stored_as(table) -> None:
    body = table(
        "SELECT 4::UTINYINT AS width, 2.5::DECIMAL(5, 2) AS height, 'red' AS colour "
        "UNION ALL SELECT 7, NULL, 'blue' UNION ALL SELECT NULL, 'inf'::DOUBLE, NULL"
    )

    assert rows(body) == [
        ShardItem(id="1", line=1, row={"width": 4, "height": 2.5, "colour": "red"}),
        ShardItem(id="2", line=2, row={"width": 7, "height": None, "colour": "blue"}),
        ShardItem(id="3", line=3, row={"width": None, "height": "inf", "colour": None}),
    ]


def test_ids_are_texts_or_whole_numbers(table) -> None:
    assert [item.id for item in rows(table(f"SELECT range AS id, good.* FROM range(2), ({GOOD}) AS good"))] == [
        "0",
        "1",
    ]
    named = rows(table(f"SELECT 'n' || range AS name, good.* FROM range(2), ({GOOD}) AS good"), id_column="name")
    assert [(item.id, "name" in item.row) for item in named] == [("n0", False), ("n1", False)]


def test_texts_and_addresses_are_taken_and_columns_of_other_types_passed_over(table) -> None:
    texts = table("SELECT 'good' AS text, [1, 2] AS tokens, {'a': 1} AS deep, now() AS at, 'x'::BLOB AS raw")
    addresses = table(f"SELECT 'a.png' AS uri, 'x' AS id UNION ALL SELECT '{HOME}b.png', 'y'")

    assert [item.text for item in rows(texts, TEXTS)] == ["good"]
    assert [(item.id, item.key) for item in rows(addresses, contract())] == [
        ("x", f"inputs/{TENANT}/a.png"),
        ("y", f"inputs/{TENANT}/b.png"),
    ]


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4_raw", "brotli", "uncompressed"])
def test_many_row_groups_of_any_codec_are_read_in_order(table, codec: str) -> None:
    body = table(
        "SELECT range AS width, range * 0.5 AS height, CASE range % 2 WHEN 0 THEN 'red' ELSE 'blue' END AS colour "
        "FROM range(5000)",
        f", ROW_GROUP_SIZE 2048, CODEC {codec}",
    )

    found = read(put("t.parquet", body), declared=ROWS, isolation=forked(), **URI)

    assert [item.row["width"] for item in found] == list(range(5000))
    assert found[4999].row == {"width": 4999, "height": 2499.5, "colour": "blue"}


@pytest.mark.parametrize(
    ("query", "source", "field"),
    [
        ("SELECT [4] AS width, 1 AS height, 'red' AS colour", {}, "header.width"),
        ("SELECT {'a': 4} AS width, 'red' AS colour", {}, "header.width"),
        ("SELECT '4' AS width, 'red' AS colour", {}, "header.width"),
        ("SELECT true AS width, 'red' AS colour", {}, "header.width"),
        ("SELECT now() AS width, 'red' AS colour", {}, "header.width"),
        ("SELECT 4 AS width, 5 AS colour", {}, "header.colour"),
        ("SELECT 4 AS width, 'red'::BLOB AS colour", {}, "header.colour"),
        ("SELECT 4 AS width", {}, "input.uri"),
        ("SELECT 4 AS width, 'red' AS colour, 1 AS weight", {}, "header.weight"),
        ("SELECT 1.5 AS id, 4 AS width, 'red' AS colour", {}, "header.id"),
        ("SELECT [1] AS id, 4 AS width, 'red' AS colour", {}, "header.id"),
        (GOOD, {"id_column": "name"}, "input.id_column"),
        (f"{GOOD} WHERE false", {}, "input"),
    ],
)
def test_another_schema_is_refused_and_where(table, query: str, source: dict, field: str) -> None:
    assert refused(table(query), **source).field == field


def test_null_and_repeated_ids_are_named_by_their_rows(table) -> None:
    ids = "(VALUES ('a'), (NULL), ('b'), ('a'), ('')) AS t(id)"

    error = refused(table(f"SELECT id, good.* FROM {ids}, ({GOOD}) AS good"))

    assert [(entry["row"], entry["field"]) for entry in error.errors] == [(2, "id"), (4, "id"), (5, "id")]


def test_too_many_rows_are_not_all_copied(table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_items, "MAX_ITEMS", 10)
    monkeypatch.setattr(read_tables, "MAX_ITEMS", 10)
    body = table(f"SELECT good.* FROM range(100000), ({GOOD}) AS good")

    assert refused(body, isolation=forked(file_bytes=200_000)).limit == 10


def damaged(body: bytes) -> dict[str, bytes]:
    middle, footer = len(body) // 2, len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    return {
        "empty": b"",
        "text": b"width,colour\n4,red\n",
        "magic only": b"PAR1PAR1",
        "footer too long": body[:-8] + b"\xff\xff\xff\x7fPAR1",
        "footer torn": body[:footer] + b"\xff" * (len(body) - 8 - footer) + body[-8:],
        "no footer": body[:-8],
        "half": body[:middle],
        "page torn": body[:4] + os.urandom(len(body) // 3) + body[4 + len(body) // 3 :],
    }


@pytest.mark.parametrize("how", damaged(b"x" * 100))
def test_what_is_no_whole_table_is_refused_whatever_its_reader_does(table, how: str, capfd) -> None:
    body = damaged(table(f"SELECT good.* FROM range(9), ({GOOD}) AS good", ", CODEC uncompressed"))[how]

    error = refused(body, isolation=forked())

    assert error.field == "input.uri"
    assert capfd.readouterr().err == ""


def test_a_table_that_unpacks_to_more_than_there_is_room_for_is_refused(table) -> None:
    body = table("SELECT repeat('x', 20000000) AS text FROM range(20)", ", CODEC zstd")
    assert len(body) < 1_000_000

    assert "cannot be read" in refused(body, TEXTS, isolation=forked(memory_bytes=64 << 20)).detail
    assert "cannot be read" in refused(body, TEXTS, isolation=forked(file_bytes=1 << 20)).detail


def test_a_reader_that_hangs_is_ended(table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "describe_table", lambda *_: Event().wait())

    error = refused(table(GOOD), isolation=forked(timeout_s=0.05))

    assert (error.limit, "0.05 s" in error.detail) == (0.05, True)
