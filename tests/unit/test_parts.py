"""Parts of a batch's results as bytes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from job_steps import JOB, job, ready, run_cpu

from builders import picture
from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.parts import decode_part, encode_part
from lambent.domain.job_states import JobState
from lambent.errors import ColumnInvalid

PARQUET = OutputOptions(format="parquet")
JSON_LINES = [OutputOptions(), OutputOptions(compression="gzip")]
LINES: list[dict[str, Any]] = [
    {
        "id": "a",
        "model": "shade@1",
        "label": "bright",
        "score": 0.1 + 0.2,
        "top": [{"label": "bright", "score": 0.1 + 0.2}, {"label": "dark", "score": 5e-324}],
    },
    {"id": "né\n😀", "model": "wine@1", "value": 1e308, "unit": "€"},
    {"id": "c", "line": 9_007_199_254_740_993, **ColumnInvalid("No.", field="row.a", limit=["x", 1], got=2).to_dict()},
    {"id": "d", "model": "m@1", "value": -0.0, "embedding": [1, {"deep": None}], "note": "later"},
]


def without_nulls(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if value is not None} for line in lines]


@pytest.mark.parametrize("output", JSON_LINES)
def test_lines_come_back_as_they_were(output: OutputOptions) -> None:
    assert decode_part(encode_part(LINES, output), output) == LINES


def test_lines_come_back_from_parquet_without_their_nulls() -> None:
    assert decode_part(encode_part(LINES, PARQUET), PARQUET) == without_nulls(LINES)
    assert decode_part(encode_part([], PARQUET), PARQUET) == []


def test_lines_of_a_label_below_the_threshold_are_null_in_parquet() -> None:
    lines = [{"id": "a", "model": "m@1", "label": None, "score": None, "top": []}]

    assert decode_part(encode_part(lines, PARQUET), PARQUET) == [{"id": "a", "model": "m@1", "top": []}]


@pytest.mark.parametrize("output", [*JSON_LINES, PARQUET])
def test_the_same_lines_give_the_same_bytes_in_another_process(output: OutputOptions) -> None:
    program = (
        "import sys; from lambent.contracts.parts import encode_part;"
        "from lambent.contracts.batch_request import OutputOptions; from test_parts import LINES;"
        f"sys.stdout.buffer.write(encode_part(LINES, OutputOptions(format={output.format!r}, "
        f"compression={output.compression!r})))"
    )
    path = f"{Path(__file__).parent}:{Path(__file__).parents[1]}"

    other = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": path, "PYTHONHASHSEED": "7"},
    )

    assert other.stdout == encode_part(LINES, output)


def test_others_read_parquet_parts_with_the_same_types_whatever_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(encode_part(LINES, PARQUET))
    (tmp_path / "part-00001.parquet").write_bytes(encode_part(LINES[2:3], PARQUET))
    (tmp_path / "part-00002.parquet").write_bytes(encode_part([], PARQUET))

    types = {
        tuple((name, kind) for name, kind, *_ in _query(f"DESCRIBE SELECT * FROM '{part}'"))
        for part in sorted(tmp_path.iterdir())
    }
    rows = _query(
        f'SELECT id, line, label, score, top, value, unit, code, field, "limit", got, more '
        f"FROM '{tmp_path}/*.parquet' ORDER BY filename, id"
    )

    assert len(types) == 1
    assert dict(types.pop()) == {
        **dict.fromkeys(
            [
                "id", "model", "label", "unit", "error", "code", "title", "detail", "field", "limit", "got", "errors",
                "outputs", "more",
            ],
            "VARCHAR",
        ),
        "line": "BIGINT", "score": "DOUBLE", "value": "DOUBLE", "retryable": "BOOLEAN",
        "top": "STRUCT(\"label\" VARCHAR, score DOUBLE)[]",
    }  # fmt: skip
    top = LINES[0]["top"]
    assert rows == [
        ("a", None, "bright", 0.1 + 0.2, top, None, None, None, None, None, None, None),
        ("c", 9_007_199_254_740_993, None, None, None, None, None, "column_invalid", "row.a", '["x",1]', "2", None),
        ("d", None, None, None, None, 0.0, None, None, None, None, None,
         '{"embedding":[1,{"deep":null}],"note":"later"}'),
        ("né\n😀", None, None, None, None, 1e308, "€", None, None, None, None, None),
        ("c", 9_007_199_254_740_993, None, None, None, None, None, "column_invalid", "row.a", '["x",1]', "2", None),
    ]  # fmt: skip


def _query(text: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute(text).fetchall()


def test_a_job_can_end_in_parquet_with_its_bad_items_in_place() -> None:
    world = ready(picture(0), b"bad", picture(255))

    world.dispatch(lane="cpu", output={"format": "parquet"})
    run_cpu(world)

    assert (job(world).state, job(world).done, job(world).failed) == (JobState.PARTIAL, 2, 1)
    lines = [
        line
        for shard in range(2)
        for line in decode_part(world.data.objects[f"{JOB}/part-0000{shard}.parquet"], PARQUET)
    ]
    assert [(line["id"], line.get("label"), line.get("code")) for line in lines] == [
        ("i0", "dark", None),
        ("i1", None, "image_format_unsupported"),
        ("i2", "bright", None),
    ]
