"""A table into items: its rows, its texts or its addresses."""

import json

import pytest
from input_steps import HOME, put, read, refusal
from job_steps import job, ready, run_cpu

from builders import TENANT, contract, picture
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import (
    CategoricalColumn,
    ModelContract,
    NumericColumn,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.job_states import JobState
from lambent.errors import MediaTypeUnsupported

ROWS = contract(
    preprocessing=TabularPreprocessing(
        columns=(
            NumericColumn(name="width"),
            NumericColumn(name="height", missing=0.0),
            CategoricalColumn(name="colour", vocabulary=("red", "blue")),
        )
    )
)
TEXTS = contract(preprocessing=TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=5, ids_input="image"))
URI = {"uri": f"{HOME}t.csv"}


def rows(body: str | bytes, declared: ModelContract = ROWS, **source: object) -> list[ShardItem]:
    data = put("t.csv", body if isinstance(body, bytes) else body.encode())
    return read(data, declared=declared, **{**URI, **source})


def refused(body: str | bytes, declared: ModelContract = ROWS, **source: object):
    data = put("t.csv", body if isinstance(body, bytes) else body.encode())
    return refusal(data, declared=declared, **{**URI, **source})


def test_a_row_is_an_item_of_the_model_s_columns_and_its_number_is_its_id() -> None:
    body = '\ufeffcolour,width,height\r\nred,4,2.5\r\n\r\n"blue",-1e3,\r\n=cmd|x,oops,1\r\n'

    assert rows(body) == [
        ShardItem(id="1", line=1, row={"colour": "red", "width": 4.0, "height": 2.5}),
        ShardItem(id="2", line=2, row={"colour": "blue", "width": -1000.0, "height": None}),
        ShardItem(id="3", line=3, row={"colour": "=cmd|x", "width": "oops", "height": 1.0}),
    ]


def test_white_space_around_a_number_is_not_part_of_it() -> None:
    (item,) = rows("width,height,colour\n 4\x1c,\u20032.5\t,\u2003\n")

    assert item.row == {"width": 4.0, "height": 2.5, "colour": None}


def test_ids_come_from_the_column_named_or_one_called_id() -> None:
    body = "name,width,colour,height\na,4,red,1\nb,4,red,1\n"

    assert [(item.id, "name" in item.row) for item in rows(body, id_column="name")] == [("a", False), ("b", False)]
    assert [item.id for item in rows(body.replace("name", "id"))] == ["a", "b"]
    by_colour = rows("colour,width\nred,1\nblue,2\n", id_column="colour")
    assert [(item.id, item.row["colour"]) for item in by_colour] == [("red", "red"), ("blue", "blue")]


def test_a_text_is_the_column_text_or_the_only_one() -> None:
    assert [item.text for item in rows('review\ngood day\n"a,\nb"\n', TEXTS)] == ["good day", "a,\nb"]
    both = rows("id,text,stars\nx,good,5\ny,,1\n", TEXTS)
    assert [(item.id, item.text) for item in both] == [("x", "good"), ("y", "")]
    assert [(item.id, item.text) for item in rows("id,review\nx,good\n", TEXTS)] == [("x", "good")]
    assert refused("a,b\n1,2\n", TEXTS).field == "header.text"


def test_a_picture_is_the_address_in_the_column_uri() -> None:
    found = rows(f"uri,label\na.png,x\n{HOME}b.png,y\n", contract())

    assert [(item.id, item.key) for item in found] == [
        ("1", f"inputs/{TENANT}/a.png"),
        ("2", f"inputs/{TENANT}/b.png"),
    ]
    error = refused('uri\n../other/a.png\n""\nt.csv\n', contract())
    assert [(entry["row"], entry["field"]) for entry in error.errors] == [(1, "uri"), (2, "uri"), (3, "uri")]
    assert refused("picture\na.png\n", contract()).field == "header.uri"


@pytest.mark.parametrize(
    ("body", "source", "field"),
    [
        ("", {}, "input.uri"),
        ("\n\n", {}, "input.uri"),
        ("width,colour\n", {}, "input"),
        ("4,red\n5,blue\n", {}, "header."),
        ("width,colour,width\n4,red,4\n", {}, "header.width"),
        ("width,,colour\n4,,red\n", {}, "header."),
        ("width,height\n4,5\n", {}, "input.uri"),
        ("width,colour,weight\n4,red,1\n", {}, "header.weight"),
        ("width,colour\n4,red\n", {"id_column": "name"}, "input.id_column"),
        ("width,colour\n4,red\n" + '5,"blue\n6,blue\n', {}, "line 4"),
        ("width,colour\n4,red\n5,blue" + "x" * 140_000, {}, "line 3"),
        ("width,colour\n4,red\n" + '5,"' + "x\n" * 140_000, {}, "line "),
        ('width,colour\n4,"red"x\n', {}, "line 2"),
        (b"width,colour\n4,red\n5,bl\xffue\n", {}, "line"),
        ("width,colour\n4,red\n".encode("utf-16"), {}, "line 1"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused_and_where(body, source: dict, field: str) -> None:
    error = refused(body, **source)

    assert (error.field or "").startswith(field)
    assert "red" not in json.dumps(error.to_dict())


def test_what_a_table_has_too_many_or_lacks_is_named_with_what_the_model_takes() -> None:
    unknown, lacking = refused("width,colour,weight\n4,red,1\n"), refused("width,id\n4,a\n", id_column="id")

    assert "does not know, weight; it takes width, height, colour" in unknown.detail
    assert "lacks 1 of the columns that the model needs: colour." in lacking.detail


def test_rows_that_do_not_fit_are_named_by_their_numbers() -> None:
    error = refused("id,width,colour\na,4,red\nb,5\n,6,red\na,7,red\nc,8,red,9\nd,9,blue\n")

    assert (error.got, [(entry["row"], entry["field"]) for entry in error.errors]) == (
        4,
        [(2, "row"), (3, "id"), (4, "id"), (5, "row")],
    )


def test_a_model_of_tensors_takes_no_table() -> None:
    declared = contract(
        preprocessing=TensorPreprocessing(), inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 2)),)
    )

    with pytest.raises(MediaTypeUnsupported, match="tensors only"):
        rows("a\n1\n", declared)


def test_a_table_of_addresses_runs_from_request_to_results() -> None:
    world = ready()
    put("t.csv", b"id,uri\ndark,0.png\nbright,1.png\n", world.data)
    put("1.png", picture(255), world.data)

    world.dispatch(lane="cpu", input=URI)
    run_cpu(world)

    assert (job(world).state, job(world).done) == (JobState.SUCCEEDED, 2)
