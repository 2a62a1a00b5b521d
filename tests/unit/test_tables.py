"""CSV in and out."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.contracts.model import CategoricalColumn, NumericColumn
from lambent.contracts.tables import MAX_ROW_CHARACTERS, read_rows, write_rows
from lambent.errors import ColumnInvalid, LambentError, RequestInvalid, TextInvalid

COLUMNS = (NumericColumn(name="age"), CategoricalColumn(name="city", vocabulary=("rome", "oslo")))


def read(body: bytes | str, max_rows: int = 8) -> list[dict]:
    return read_rows(body.encode() if isinstance(body, str) else body, COLUMNS, max_rows=max_rows)


@pytest.mark.parametrize(
    "body",
    [
        "age,city\n3,oslo\n4.5,rome\n",
        "age,city\r\n3,oslo\r\n4.5,rome",
        "\ufeffcity,age\noslo,3\n\nrome, 4.5 \n",
        '"age","city"\n"3","oslo"\n"+45e-1","rome"\n',
    ],
)
def test_every_usual_csv_is_the_same_table(body: str) -> None:
    rows = read(body)

    assert rows == [{"age": 3.0, "city": "oslo"}, {"age": 4.5, "city": "rome"}]


def test_cells_may_hold_commas_quotes_and_line_ends() -> None:
    assert read('city\n"a, ""b""\nc"\n') == [{"city": 'a, "b"\nc'}]


def test_an_empty_cell_is_a_missing_value() -> None:
    assert read("age,city\n,oslo\n3, \n") == [{"age": None, "city": "oslo"}, {"age": 3.0, "city": None}]


@pytest.mark.parametrize(
    ("body", "error", "field"),
    [
        ("", ColumnInvalid, "rows"),
        ("\n3,oslo\n", ColumnInvalid, "rows"),
        ("age,city\n", RequestInvalid, "rows"),
        ("3,oslo\n", ColumnInvalid, "header.?"),
        ("age,town\n3,oslo\n", ColumnInvalid, "header.town"),
        ("age,age\n3,4\n", ColumnInvalid, "header.age"),
        ("age,city\n3,oslo\n3\n", ColumnInvalid, "rows[1]"),
        ("age,city\n3,oslo,1\n", ColumnInvalid, "rows[0]"),
        ("age,city\n3,oslo\nthree,oslo\n", ColumnInvalid, "rows[1].age"),
        ("age\n1_000\n", ColumnInvalid, "rows[0].age"),
        ("age\n\u0663\n", ColumnInvalid, "rows[0].age"),
        ("age\nnan\n", ColumnInvalid, "rows[0].age"),
        ("age\ninf\n", ColumnInvalid, "rows[0].age"),
        ("age\n0x10\n", ColumnInvalid, "rows[0].age"),
        ('city\n"oslo\n', ColumnInvalid, "line 2"),
        ('city\n"oslo"x\n', ColumnInvalid, "line 2"),
        ("city\n" + "x" * 200_000, ColumnInvalid, "line 2"),
        ("city\n" + "," * (MAX_ROW_CHARACTERS + 1), ColumnInvalid, "rows"),
        (b"city\n\xff\n", TextInvalid, "body"),
        ("city\n" + "\n" * 17, ColumnInvalid, "rows[0]"),
        ("city\n" + "oslo\n" * 9, RequestInvalid, "rows"),
    ],
)
def test_what_is_no_table_of_the_models_columns_is_refused_where_it_stands(
    body: bytes | str, error: type[LambentError], field: str
) -> None:
    with pytest.raises(error) as refusal:
        read(body)

    assert refusal.value.field == field
    assert "oslo" not in refusal.value.detail


@given(st.binary(max_size=200) | st.text(st.sampled_from('age,city"\n\r 1e9\x00\ufeff'), max_size=60))
def test_no_bytes_bring_the_reader_down(body: bytes | str) -> None:
    try:
        rows = read(body)
    except (ColumnInvalid, RequestInvalid, TextInvalid):
        return

    assert all(row.keys() <= {"age", "city"} for row in rows)


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False)), max_size=5))
def test_what_is_written_reads_back(rows: list[tuple[str, float]]) -> None:
    text = write_rows(("label", "score"), rows).decode()

    back = list(csv.reader(StringIO(text, newline="")))

    assert back[0] == ["label", "score"]
    assert [float(score) for _, score in back[1:]] == [score for _, score in rows]
    assert [label.removeprefix("'") for label, _ in back[1:]] == [label.removeprefix("'") for label, _ in rows]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"])
def test_no_text_becomes_a_formula(text: str) -> None:
    written = write_rows(("label", "score"), [(text, -1.5)]).decode()

    _, cells = csv.reader(StringIO(written, newline=""))

    assert cells == [f"'{text}", "-1.5"]
