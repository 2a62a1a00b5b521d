"""Data of tensors in a file: the same items from every form, and what is wrong with one told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from builders import contract
from lambent.contracts.model import (
    Classification,
    ModelContract,
    RawOutputs,
    Regression,
    TensorPreprocessing,
    TensorSpec,
)
from lambent_toolkit.modelkit.data_source import split_for
from lambent_toolkit.modelkit.errors import DataUnfit, DataUnknown, DataUnusable, SourceUnusable
from lambent_toolkit.modelkit.recipe import Declaration, Split
from lambent_toolkit.modelkit.tensor_items import decode_item, encode_item

RNG = np.random.default_rng(5)
COUNT = 30
SERIES = RNG.standard_normal((COUNT, 4, 2)).astype(np.float32)
CODES = RNG.integers(0, 9, COUNT)
NAMES = np.array(["low", "high"])[CODES % 2]


def declared(postprocessing: object = None, **changes: object) -> ModelContract:
    return contract(
        **{
            "inputs": (
                TensorSpec(name="series", datatype="FP32", shape=(-1, 4, 2)),
                TensorSpec(name="code", datatype="INT32", shape=(-1,)),
            ),
            "outputs": (TensorSpec(name="scores", datatype="FP32", shape=(-1, 2)),),
            "preprocessing": TensorPreprocessing(),
            "postprocessing": postprocessing or Classification(labels=("high", "low")),
            **changes,
        }
    )


SOFTMAX = Classification(labels=("high", "low"), activation="softmax")
NUMBER = {"outputs": (TensorSpec(name="y", datatype="FP32", shape=(-1, 1)),)}


def split(file: Path, of: ModelContract | None = None) -> Split:
    return split_for(Declaration(of or declared()), str(file))


def npz(folder: Path, **arrays: object) -> Path:
    np.savez(folder / "data.npz", **{"series": SERIES, "code": CODES, "labels": NAMES, **arrays})
    return folder / "data.npz"


def lines(folder: Path, *rows: object) -> Path:
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder / "data.jsonl"


def as_lines(folder: Path) -> Path:
    return lines(
        folder,
        *(
            {"inputs": {"series": SERIES[row].tolist(), "code": int(CODES[row])}, "label": str(NAMES[row])}
            for row in range(COUNT)
        ),
    )


def as_parquet(folder: Path) -> Path:
    rows = [
        {"series": SERIES[row].ravel().tolist(), "code": int(CODES[row]), "label": str(NAMES[row])}
        for row in range(COUNT)
    ]
    (folder / "rows.json").write_text(json.dumps(rows))
    with duckdb.connect() as database:
        database.execute(f"COPY (FROM '{folder}/rows.json') TO '{folder}/data.parquet' (FORMAT parquet)")
    return folder / "data.parquet"


def test_the_same_items_in_every_form_are_the_same_split_with_the_contract_s_class_numbers(tmp_path: Path) -> None:
    splits = [split(file) for file in (npz(tmp_path), as_lines(tmp_path), as_parquet(tmp_path))]

    assert len({each.sha256 for each in splits}) == 1
    first = splits[0]
    assert [len(part) for part in (first.train, first.validation, first.test)] == [19, 5, 6]
    assert first.test.tensors["series"].shape == (6, 4, 2)
    assert (first.test.tensors["series"].dtype, first.test.tensors["code"].dtype) == (np.float32, np.int32)
    wanted = {
        (series.tobytes(), int(code)): ("high", "low").index(name)
        for series, code, name in zip(SERIES, CODES, NAMES, strict=True)
    }
    for part in (first.train, first.validation, first.test):
        for row, target in enumerate(part.targets):
            assert wanted[part.tensors["series"][row].tobytes(), int(part.tensors["code"][row])] == target


def test_an_item_comes_back_from_its_bytes() -> None:
    row = {"a\n": np.arange(6, dtype=np.int16).reshape(2, 3), "b": np.array(2.5), "ü": np.array([True])}

    back = decode_item(encode_item(row))

    assert back.keys() == row.keys()
    for name, array in row.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_a_file_s_own_split_counts(tmp_path: Path) -> None:
    own = ["train"] * 20 + ["val"] * 6 + ["test"] * 4

    made = split(npz(tmp_path, split=np.array(own)))

    np.testing.assert_array_equal(made.test.tensors["series"], SERIES[26:])
    assert len(made.validation) == 6


def test_too_few_items_to_be_split_by_shares_may_be_split_by_the_file(tmp_path: Path) -> None:
    few = {"series": SERIES[:6], "code": CODES[:6], "labels": np.arange(6) % 2}

    with pytest.raises(DataUnusable, match=r"shares of 0\.\d+ and 0\.\d+: .* by split \(train, validation, test\)"):
        split(npz(tmp_path, **few))
    assert len(split(npz(tmp_path, **few, split=np.repeat(["train", "validation", "test"], 2))).test) == 2


def test_targets_and_outputs_without_any_are_taken_by_the_models_that_need_no_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "numbers.npz", series=SERIES, code=CODES, targets=CODES)
    np.savez(tmp_path / "bare.npz", series=SERIES, code=CODES)

    numbers = split(tmp_path / "numbers.npz", declared(Regression(), **NUMBER))
    bare = split(tmp_path / "bare.npz", declared(RawOutputs()))

    assert set(numbers.test.targets) <= set(map(float, CODES))
    assert len(bare.test) == 6


@pytest.mark.parametrize("form", ["npz", "lines", "parquet"])
def test_an_input_may_be_called_as_an_answer_or_the_split_is(tmp_path: Path, form: str) -> None:
    series, number = SERIES[:, :, 0], CODES.astype(np.float32)
    own = declared(
        inputs=(
            TensorSpec(name="target", datatype="FP32", shape=(-1, 4)),
            TensorSpec(name="label", datatype="FP32", shape=(-1,)),
            TensorSpec(name="split", datatype="FP32", shape=(-1,)),
        )
    )
    if form == "npz":
        np.savez(tmp_path / "data.npz", target=series, label=number, split=number, labels=NAMES)
        file = tmp_path / "data.npz"
    else:
        columns = zip(series.tolist(), number.tolist(), map(str, NAMES), strict=True)
        rows = [{"target": one, "label": two, "split": two, "labels": name} for one, two, name in columns]
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        with duckdb.connect() as database:
            database.execute(f"COPY (FROM '{tmp_path}/rows.json') TO '{tmp_path}/data.parquet' (FORMAT parquet)")
        nested = [
            {"inputs": {name: row[name] for name in row if name != "labels"}, "label": row["labels"]} for row in rows
        ]
        file = lines(tmp_path, *nested) if form == "lines" else tmp_path / "data.parquet"

    made = split(file, own)

    wanted = {
        (one.tobytes(), two): ("high", "low").index(name) for one, two, name in zip(series, number, NAMES, strict=True)
    }
    tensors = made.test.tensors
    found = zip(tensors["target"], tensors["label"], tensors["split"], made.test.targets, strict=True)
    assert [wanted[one.tobytes(), two] == target and two == three for one, two, three, target in found] == [True] * 6


@pytest.mark.parametrize(
    ("arrays", "of", "error", "said"),
    [
        ({"series": SERIES[:, :3]}, None, DataUnfit, r"series has the shape \[3, 2\], the contract declares \[4, 2\]"),
        ({"series": SERIES.transpose(0, 2, 1)}, None, DataUnfit, r"shape \[2, 4\].* transpose the arrays"),
        ({"label": CODES % 2}, None, SourceUnusable, "labels and label, which mean the same"),
        ({"labels": np.ones((COUNT, 2), int)}, declared(SOFTMAX), DataUnfit, r"measured by a label .* list of labels"),
        ({"code": CODES + 0.5}, None, DataUnfit, "code is INT32, which cannot hold"),
        ({"code": CODES.astype(np.int64) + 2**40}, None, DataUnfit, "code is INT32, which cannot hold"),
        ({"series": SERIES.astype(np.float64) * 1e300}, None, DataUnfit, "series is FP32, which cannot hold"),
        ({"more": CODES}, None, DataUnfit, r"has the arrays code, more, series; shade takes code, series"),
        ({"code": CODES[:-1]}, None, SourceUnusable, "different numbers of items: .*code 29"),
        ({"labels": np.array(["middle"] * COUNT)}, None, DataUnfit, "middle"),
        ({"labels": CODES / 2}, None, SourceUnusable, "numbers are targets"),
        ({"targets": CODES}, None, SourceUnusable, "labels and targets"),
        ({"code": np.array([None] * COUNT)}, None, SourceUnusable, r"numpy\.savez"),
        ({"split": np.array(["tests"] * COUNT)}, None, SourceUnusable, "train, validation or test, not 'tests'"),
        ({}, declared(Regression(), **NUMBER), DataUnfit, "measured by a target an item"),
    ],
    ids=[
        "shape", "other order", "twice", "several",
        "fraction", "beyond 32 bits", "beyond FP32", "too many", "rows", "class", "no labels", "both",
        "objects", "split", "regression",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_what_is_wrong(
    tmp_path: Path, arrays: dict, of: ModelContract | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        split(npz(tmp_path, **arrays), of)


@pytest.mark.parametrize("of", [declared(), declared(SOFTMAX)], ids=["scores", "softmax"])
def test_one_hot_rows_are_class_numbers(tmp_path: Path, of: ModelContract) -> None:
    made, numbered = (
        split(npz(tmp_path, labels=labels), of) for labels in (np.eye(2)[CODES % 2], (CODES % 2).astype(np.int64))
    )

    assert made.test.targets.tolist() == numbered.test.targets.tolist()
    assert set(made.test.targets.tolist()) == {0, 1}


def test_a_line_that_is_none_is_named_and_ragged_lists_are_refused(tmp_path: Path) -> None:
    good = {"inputs": {"series": SERIES[0].tolist(), "code": 1}, "label": "low"}

    with pytest.raises(SourceUnusable, match="line 2"):
        split(lines(tmp_path, good, {"input": {}}))
    with pytest.raises(SourceUnusable, match="must all have the same length"):
        split(lines(tmp_path, *[good] * 9, {**good, "inputs": {"series": [[1], [2, 3]], "code": 1}}))
    with pytest.raises(SourceUnusable, match="line 2: expected the names of lines before"):
        split(lines(tmp_path, good, {"inputs": {"series": [[1, 2]]}}))


@pytest.mark.parametrize("kind", [bool, np.float32, np.uint8, "column", "bytes"])
def test_class_numbers_of_any_kind_are_class_numbers(tmp_path: Path, kind: object) -> None:
    numbers = {"column": (CODES % 2)[:, None], "bytes": np.array([b"high", b"low"])[CODES % 2]}

    made = split(npz(tmp_path, labels=numbers[kind] if isinstance(kind, str) else (CODES % 2).astype(kind)))

    np.testing.assert_array_equal(
        made.train.targets, split(npz(tmp_path, labels=np.array(["high", "low"])[CODES % 2])).train.targets
    )


def test_lines_that_lack_something_are_named_and_no_label_moves_to_another_item(tmp_path: Path) -> None:
    rows = [{"inputs": {"series": SERIES[row].tolist(), "code": 1}, "label": "low"} for row in range(COUNT)]
    del rows[1]["label"]
    del rows[5]["inputs"]["series"]

    with pytest.raises(SourceUnusable, match=r"line 2: expected .*label.* got code, series"):
        split(lines(tmp_path, *rows))
    with pytest.raises(DataUnfit, match="has neither label nor target: call it labels"):
        split(lines(tmp_path, *[{"inputs": {**row["inputs"], "label": 3}} for row in [rows[0]] * COUNT]))


@pytest.mark.parametrize(
    ("value", "got"),
    [([[1, None]] * 4, "null"), ([[1, "x"]] * 4, "'x'"), ({"a": 1}, "{'a': 1}"), ([[10**25, 1]] * 4, "10000000")],
    ids=["missing", "text", "object", "more than 64 bits"],
)
def test_what_is_no_number_in_a_list_is_named_by_its_item(tmp_path: Path, value: object, got: str) -> None:
    good = {"inputs": {"series": SERIES[0].tolist(), "code": 1}, "label": "low"}

    with pytest.raises(SourceUnusable, match=f"series, item 3: .*got {got}"):
        split(lines(tmp_path, good, good, {**good, "inputs": {"series": value, "code": 1}}))


def test_nothing_may_be_missing_in_a_table_s_lists(tmp_path: Path) -> None:
    file = as_parquet(tmp_path)
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * REPLACE (CASE code WHEN {CODES[4]} THEN list_concat(series[:7], [NULL]) ELSE series END "
            f"AS series) FROM '{file}') TO '{tmp_path}/gaps.parquet' (FORMAT parquet)"
        )

    first = CODES.tolist().index(CODES[4]) + 1
    with pytest.raises(SourceUnusable, match=f"series, item {first}: .*got null"):
        split(tmp_path / "gaps.parquet")


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_its_first_line(tmp_path: Path) -> None:
    file = as_lines(tmp_path)
    wanted = split(file).sha256

    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())

    assert split(file).sha256 == wanted


def test_a_file_that_is_not_there_and_items_of_another_kind_are_refused_with_the_way(tmp_path: Path) -> None:
    with pytest.raises(DataUnknown, match="no file"):
        split(tmp_path / "nothing.npz")
    with pytest.raises(DataUnfit, match=r"\.npz"):
        split_for(Declaration(declared()), "wine")
    with pytest.raises(DataUnfit, match="lambent data add"):
        split(npz(tmp_path), contract())


def test_a_batch_of_several_fixed_rows_is_not_told_apart(tmp_path: Path) -> None:
    fixed = declared(
        inputs=(
            TensorSpec(name="series", datatype="FP32", shape=(8, 4, 2)),
            TensorSpec(name="code", datatype="INT32", shape=(8,)),
        ),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(8, 2)),),
    )

    with pytest.raises(DataUnfit, match="free batch dimension, or one of 1"):
        split(npz(tmp_path), fixed)
