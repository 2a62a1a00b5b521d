"""Sources: what is listed, what is left alone, and what is told by name or by line."""

import os
from pathlib import Path

import pytest

from lambent.errors import PayloadTooLarge, SourceGone
from lambent_toolkit.modelkit.datasets.candidates import Source, SourceOptions
from lambent_toolkit.modelkit.datasets.origins import FolderOrigin
from lambent_toolkit.modelkit.datasets.sources import open_source
from lambent_toolkit.modelkit.errors import SourceUnusable
from made_data import write_digits, write_lines, write_wines


def source(path: Path, **options: object) -> Source:
    return open_source(str(path), SourceOptions(**options))  # type: ignore[arg-type]


def table(path: Path, text: str, **options: object) -> Source:
    path.write_text(text)
    return source(path, **options)


def problems(found: Source) -> list[tuple[str, str]]:
    return [(each.where, each.code) for each in found.problems]


def bodies(found: Source) -> list[bytes | None]:
    return [each.body for each in found.candidates]


def test_folders_are_classes_and_deeper_folders_belong_to_them(tmp_path: Path) -> None:
    write_digits(tmp_path, each=2)
    (tmp_path / "0" / "more").mkdir()
    (tmp_path / "0" / "more" / "x.png").write_bytes(b"x")

    found = source(tmp_path)

    assert [(each.path, each.label, each.split) for each in found.candidates] == [
        ("0/000.png", "0", None),
        ("0/001.png", "0", None),
        ("0/more/x.png", "0", None),
        ("1/000.png", "1", None),
        ("1/001.png", "1", None),
    ]


def test_folders_of_parts_are_the_datas_own_split(tmp_path: Path) -> None:
    for part in ("Train", "val", "testing"):
        write_digits(tmp_path / part, each=1, classes="3")

    found = source(tmp_path)

    assert {(each.split, each.label) for each in found.candidates} == {
        ("train", "3"),
        ("validation", "3"),
        ("test", "3"),
    }


def test_a_class_called_train_beside_other_classes_is_a_class(tmp_path: Path) -> None:
    for label in ("train", "bus"):
        write_digits(tmp_path / label, each=1, classes="3")

    assert {each.label for each in source(tmp_path).candidates} == {"train", "bus"}


def test_litter_is_ignored_and_counted_and_stray_files_are_told_by_name(tmp_path: Path) -> None:
    write_digits(tmp_path, each=1)
    for litter in (".DS_Store", "0/Thumbs.db", "1/.hidden"):
        (tmp_path / litter).write_bytes(b"x")
    (tmp_path / "README.txt").write_text("about these digits")
    (tmp_path / "2").mkdir()

    found = source(tmp_path)

    assert problems(found) == [("README.txt", "not_in_a_class")]
    assert found.notes == [
        "Ignored hidden files and file managers' leftovers: 3.",
        "Folders without files are no classes: 2.",
    ]


def test_names_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    write_digits(tmp_path, each=1)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/0/\xff.png")).write_bytes(b"x")

    assert problems(source(tmp_path)) == [("0/\\udcff.png", "name_invalid")]


def test_names_with_control_characters_are_told_without_them(tmp_path: Path) -> None:
    write_digits(tmp_path, each=1)
    (tmp_path / "0" / "a\x1b[2Jb\n.png").write_bytes(b"x")
    rows = [{"a": 1, "label": "x\x1b[2J"}, {"a": 2, "label": "y"}]

    assert problems(source(tmp_path)) == [("0/a\\x1b[2Jb\\n.png", "name_invalid")]
    assert problems(source(write_lines(tmp_path / "t.jsonl", rows))) == [("line 1", "name_invalid")]


def test_columns_that_are_left_out_are_not_looked_at(tmp_path: Path) -> None:
    found = table(tmp_path / "t.csv", "a,note,label\n1,nan,x\n2,3,y\n", leave_out=("note",), slices=("note",))

    assert found.problems == []
    assert [each.slices for each in found.candidates] == [{"note": "nan"}, {"note": "3"}]
    assert bodies(found) == [b'{"a":1.0}', b'{"a":2.0}']


def test_linked_folders_are_followed_once_and_a_circle_ends(tmp_path: Path) -> None:
    write_digits(tmp_path / "elsewhere", each=1, classes="5")
    (tmp_path / "data" / "0").mkdir(parents=True)
    (tmp_path / "data" / "0" / "x.png").write_bytes(b"x")
    (tmp_path / "data" / "5").symlink_to(tmp_path / "elsewhere" / "5")
    (tmp_path / "data" / "0" / "circle").symlink_to(tmp_path / "data")

    assert [each.path for each in source(tmp_path / "data").candidates] == ["0/x.png", "5/000.png"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, make) -> None:
    make(tmp_path / "x")

    with pytest.raises(SourceGone):
        FolderOrigin(tmp_path).read("x", max_bytes=10)


def test_file_beyond_the_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 11)

    with pytest.raises(PayloadTooLarge, match="11 bytes, at most 10"):
        FolderOrigin(tmp_path).read("x", max_bytes=10)


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda _path: None, {}, "There is no file or folder"),
        (lambda path: path.mkdir(), {}, "holds no files"),
        (lambda path: path.write_text("x"), {}, "is no source"),
        (write_digits, {"label": "kind"}, "--label is for tables"),
        (write_digits, {"leave_out": ("id",)}, "--leave-out is for tables"),
        (write_digits, {"slices": ("site",)}, "--slice is for tables"),
        (write_digits, {"kind": "tabular"}, "Rows of a table come from"),
    ],
)
def test_what_is_no_source_is_refused_with_what_to_do(tmp_path: Path, make, options, said: str) -> None:
    make(tmp_path / "source")

    with pytest.raises(SourceUnusable, match=said):
        source(tmp_path / "source", **options)


def test_csv_has_numbers_as_numbers_words_as_words_and_empty_cells_as_null(tmp_path: Path) -> None:
    found = table(tmp_path / "t.csv", '\ufeffa,b,label\n1, x,0\n2.5e1,"y, ""z""",1\n,,0\n')

    assert found.kind == "tabular"
    assert bodies(found) == [b'{"a":1.0,"b":" x"}', b'{"a":25.0,"b":"y, \\"z\\""}', b'{"a":null,"b":null}']
    assert [each.label for each in found.candidates] == ["0", "1", "0"]
    assert [each.id for each in found.candidates] == ["line-2", "line-3", "line-4"]


def test_rows_that_do_not_fit_are_told_by_line_and_the_others_stay(tmp_path: Path) -> None:
    found = table(tmp_path / "t.csv", "a,b,label\n1,2,x\n\n1,2\n3,nan,y\n-inf,1,y\n4,5,\n6,7,x\n")

    assert problems(found) == [
        ("line 4", "row_ragged"),
        ("line 5", "not_finite"),
        ("line 6", "not_finite"),
        ("line 7", "label_missing"),
    ]
    assert [each.id for each in found.candidates] == ["line-2", "line-8"]


def test_few_words_in_a_column_of_numbers_are_noted(tmp_path: Path) -> None:
    rows = "".join(f"{number},x\n" for number in range(30))

    found = table(tmp_path / "t.csv", f"a,label\n{rows}?,y\n")

    assert "numbers in 30 cells and words in 1 (line 32: '?')" in found.notes[1]
    assert bodies(found)[0] == b'{"a":"0"}'


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "first line of .* must name all columns"),
        ("a,,label\n", {}, "must name all columns"),
        ("a,a,label\n1,2,3\n", {}, "names column 'a' twice"),
        ("a;b;label\n1;2;x\n", {}, "Then add --separator ';'"),
        ("a,b\n1,2\n", {}, r"Which column of .*t\.csv is the label\?.* It has: a, b"),
        ("a,label\n1,x\n", {"label": "kind"}, "has no column 'kind'; it has: a, label"),
        ("a,label\n1,x\n", {"slices": ("site",)}, "has no column 'site'"),
        ("a,label\n1,x\n", {"label": "label", "target": "a"}, "not both"),
        ("a,label\n1,x\n", {"kind": "text"}, "has no column 'text'"),
        ("a,label\n1,x\n", {"separator": "||"}, "one character"),
        ('a,label\n"1,x\n2,y\n', {}, "is not CSV at line"),
        (f'a,label\n"{"x" * (1 << 20)}', {}, "is a quote not closed"),
    ],
)
def test_table_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path, text: str, options, said: str) -> None:
    with pytest.raises(SourceUnusable, match=said):
        table(tmp_path / "t.csv", text, **options)


def test_csv_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,label\nKöln,x\n".encode("latin-1"))

    with pytest.raises(SourceUnusable, match="is not UTF-8 at line 2"):
        source(tmp_path / "t.csv")


def test_other_separators_can_be_named_and_tsv_has_its_own(tmp_path: Path) -> None:
    assert len(table(tmp_path / "t.csv", "a;label\n1;x\n", separator=";").candidates) == 1
    assert len(table(tmp_path / "t.tsv", "a\tlabel\n1\tx\n").candidates) == 1


def test_json_lines_are_told_by_line_and_the_others_stay(tmp_path: Path) -> None:
    text = (
        '\ufeff{"a":1,"label":"x"}\n{"a":1,"a":2,"label":"x"}\n\n{"a":[1],"label":"x"}\nnot json\n'
        '{"a":NaN,"label":"y"}\n[1]\n{"a":true,"label":"y"}\n{"a":1e999,"label":"y"}\n{"b":3}\n{"b":"w","label":7}'
    )

    found = table(tmp_path / "t.jsonl", text)

    assert problems(found) == [
        ("line 2", "json_invalid"),
        ("line 4", "column_invalid"),
        ("line 5", "json_invalid"),
        ("line 6", "json_invalid"),
        ("line 7", "request_invalid"),
        ("line 8", "column_invalid"),
        ("line 9", "request_invalid"),
        ("line 10", "label_missing"),
    ]
    assert bodies(found) == [b'{"a":1}', b'{"b":"w"}']
    assert [each.label for each in found.candidates] == ["x", "7"]


def test_target_slices_and_left_out_columns_find_their_places(tmp_path: Path) -> None:
    text = "id,a,site,y\n7,1,north,2.5\n8,2,south,x\n9,3,south,\n"

    found = table(tmp_path / "t.csv", text, target="y", slices=("site",), leave_out=("id",))

    assert found.is_regression
    assert [(each.body, each.target, each.slices) for each in found.candidates] == [
        (b'{"a":1.0,"site":"north"}', 2.5, {"site": "north"})
    ]
    assert problems(found) == [("line 3", "target_invalid"), ("line 4", "target_missing")]


def test_column_split_is_taken_if_it_says_parts_only(tmp_path: Path) -> None:
    parts = table(tmp_path / "t.csv", "a,split,label\n1,TRAIN,x\n2,dev,x\n")
    words = table(tmp_path / "u.csv", "a,split,label\n1,wide,x\n2,train,x\n")

    assert [each.split for each in parts.candidates] == ["train", "validation"]
    assert bodies(parts)[0] == b'{"a":1.0}'
    assert [each.split for each in words.candidates] == [None, None]
    assert bodies(words)[0] == b'{"a":1.0,"split":"wide"}'


def test_named_split_column_must_say_parts(tmp_path: Path) -> None:
    found = table(tmp_path / "t.csv", "a,fold,label\n1,train,x\n2,fold7,x\n3,,x\n", split="fold")

    assert problems(found) == [("line 3", "split_invalid"), ("line 4", "split_missing")]


def test_pictures_of_a_table_lie_below_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    text = "image,label\nx/1.png,a\n../secret.png,a\n/etc/passwd,b\n,b\n"

    found = table(tmp_path / "t.csv", text, image="image")

    assert [(each.path, each.body, each.label) for each in found.candidates] == [("x/1.png", None, "a")]
    assert problems(found) == [("line 3", "path_invalid"), ("line 4", "path_invalid"), ("line 5", "path_missing")]


def test_text_column_makes_texts_and_other_columns_are_not_in_them(tmp_path: Path) -> None:
    found = source(
        write_lines(tmp_path / "t.jsonl", [{"text": "Öl", "label": "de", "n": 1}, {"text": 3, "label": "x"}])
    )

    assert found.kind == "text"
    assert bodies(found) == ["Öl".encode()]
    assert problems(found) == [("line 2", "text_invalid")]


def test_wines_are_all_read(tmp_path: Path) -> None:
    found = source(write_wines(tmp_path / "wine.csv"))

    assert (len(found.candidates), found.problems) == (178, [])
