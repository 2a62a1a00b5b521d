"""A batch's input into items: manifests, lists and prefixes."""

import json
from types import SimpleNamespace

import msgspec
import pytest
from input_steps import DATA, HOME, put, read, refusal

from builders import TENANT
from lambent.contracts.batch_request import BatchInput, BatchRequest, InlineImage, ManifestItem
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import TextPreprocessing
from lambent.errors import ManifestInvalid, RequestInvalid, SourceChanged, UrlRefused
from lambent.services import gather_items, read_items
from lambent.services.gather_items import SeenIds
from lambent.services.read_items import check_input
from lambent_toolkit.fakes import FakeObjectStore


def manifest(*items: object) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def test_a_manifest_s_items_are_addresses_texts_rows_and_pictures() -> None:
    data = put(
        "items.jsonl",
        manifest(
            {"id": "a", "uri": f"{HOME}a.png"},
            {"id": "b", "text": "good day"},
            {"id": "c", "row": {"width": 4}},
            {"id": "d", "image": {"b64": "aGk="}},
            {"id": "e", "uri": f"{DATA}inbox/{TENANT}/shade/e.png"},
        ).replace(b'{"id": "c"', b'\r\n\n{"id": "c"'),
    )

    assert read(data, uri=f"{HOME}items.jsonl") == [
        ShardItem(id="a", line=1, key=f"inputs/{TENANT}/a.png"),
        ShardItem(id="b", line=2, text="good day"),
        ShardItem(id="c", line=5, row={"width": 4}),
        ShardItem(id="d", line=6, data=b"hi"),
        ShardItem(id="e", line=7, key=f"inbox/{TENANT}/shade/e.png"),
    ]


def test_a_relative_address_starts_at_the_manifest_s_folder() -> None:
    data = put("today/items.jsonl", manifest({"id": "a", "uri": "pictures/a.png"}))

    (item,) = read(data, uri=f"{HOME}today/items.jsonl")

    assert item.key == f"inputs/{TENANT}/today/pictures/a.png"


@pytest.mark.parametrize(
    "uri",
    [
        f"{DATA}inputs/other/a.png",
        f"{DATA}results/{TENANT}/a.png",
        f"{HOME}../other/a.png",
        f"{HOME}./a.png",
        "../other/a.png",
        "a/../../other/a.png",
        "https://example.com/a.png",
        "s3://another-bucket/inputs/acme/a.png",
        "pictures/",
        f"{HOME}",
        "",
        "items.jsonl",
        f"{HOME}items.jsonl",
        f"{HOME}table.CSV",
        "all.zip",
        "rows.parquet",
    ],
)
def test_an_item_elsewhere_or_a_manifest_in_a_manifest_is_refused_with_its_line(uri: str) -> None:
    data = put("items.jsonl", manifest({"id": "a", "text": "x"}, {"id": "b", "uri": uri}))

    error = refusal(data, uri=f"{HOME}items.jsonl")

    assert (error.got, [(entry["line"], entry["code"], entry["field"]) for entry in error.errors]) == (
        1,
        [(2, "manifest_invalid", "uri")],
    )
    assert "fake-bucket" not in json.dumps(error.to_dict())


def test_a_manifest_that_names_itself_under_another_ending_is_refused() -> None:
    data = put("items", manifest({"id": "a", "uri": f"{HOME}items"}))

    assert refusal(data, uri=f"{HOME}items", format="jsonl").errors[0]["field"] == "uri"


@pytest.mark.parametrize(
    "line",
    [{"id": "a"}, {"id": "a", "uri": "x", "text": "y"}, {"id": "a", "text": "y", "tenant": "other"}, {"text": "y"}, []],
)
def test_an_item_that_is_nothing_or_two_things_is_refused_with_its_line(line: object) -> None:
    data = put("items.jsonl", manifest(line))

    error = refusal(data, uri=f"{HOME}items.jsonl")

    assert (error.got, error.errors[0]["line"]) == (1, 1)


def test_repeated_ids_are_named_with_the_line_of_the_repetition() -> None:
    lines = [{"id": name, "text": "x"} for name in ("a", "b", "a", "c", "b", "a")]
    data = put("items.jsonl", manifest(*lines))

    error = refusal(data, uri=f"{HOME}items.jsonl")

    assert [(entry["line"], entry["field"]) for entry in error.errors] == [(3, "id"), (5, "id"), (6, "id")]


def test_two_ids_that_share_a_hash_are_two_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SeenIds, "_hash", staticmethod(len))

    with SeenIds() as seen:
        assert [seen.add(each) for each in ("a", "b", "c\n", "d\n", "é", "long", "a", "c\n")] == 6 * [True] + 2 * [
            False
        ]


def test_reading_stops_as_soon_as_there_are_too_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather_items, "MAX_ITEMS", 3)
    data = put("items.jsonl", manifest(*[{"id": str(number), "text": "x"} for number in range(9)]) + b"not JSON")

    error = refusal(data, uri=f"{HOME}items.jsonl")

    assert (error.limit, error.errors) == (3, None)
    assert "more than 3 items" in error.detail


def test_a_manifest_over_the_limit_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_items, "MAX_MANIFEST_BYTES", 50)
    data = put("items.jsonl", b" " * 51)

    error = refusal(data, uri=f"{HOME}items.jsonl")

    assert (error.limit, error.got) == (50, 51)


def test_a_line_without_end_and_millions_of_blank_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_items, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(read_items, "_MOST_LINES", 20)

    assert refusal(put("items.jsonl", b"\n" + b"x" * 200), uri=f"{HOME}items.jsonl").field == "line 2"
    assert "more than" in refusal(put("items.jsonl", b"\n" * 200), uri=f"{HOME}items.jsonl").detail


@pytest.mark.parametrize(
    ("item", "field"), [({"text": "x" * 200}, "text"), ({"row": {"a": "x" * 200}}, "row"), ({"uri": "x" * 200}, "uri")]
)
def test_a_long_line_is_for_pictures_only_and_its_refusal_names_line_limit_and_length(
    monkeypatch: pytest.MonkeyPatch, item: dict[str, object], field: str
) -> None:
    monkeypatch.setattr(read_items, "MAX_LINE_BYTES_WITHOUT_PICTURE", 100)
    picture = {"id": "b", "image": {"b64": "YWJj" * 50}}
    lines = manifest({"id": "a", "uri": "a.png"}, picture, {"id": "c", **item})

    error = refusal(put("items.jsonl", lines), uri=f"{HOME}items.jsonl")

    (told,) = error.errors
    assert (told["line"], told["code"], told["field"]) == (3, "manifest_invalid", field)
    assert f"may have 100 bytes, this one has {len(lines.splitlines()[2])}" in told["detail"]
    assert len(read(put("items.jsonl", manifest(picture)), uri=f"{HOME}items.jsonl")) == 1


def test_a_text_of_33_mb_is_refused_as_a_line_when_the_batch_is_planned() -> None:
    lines = manifest({"id": "a", "uri": "a.png"}, {"id": "b", "text": "x" * 33_000_000})

    error = refusal(put("items.jsonl", lines), uri=f"{HOME}items.jsonl")

    assert (error.errors[0]["line"], error.errors[0]["field"]) == (2, "text")


def test_a_model_of_long_texts_gets_lines_as_long_as_they_may_be() -> None:
    spec = TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=8, ids_input="ids", max_characters=1_000_000)
    contract = SimpleNamespace(preprocessing=spec)

    assert read_items._longest_line_bytes(contract) == 12_000_000
    short = msgspec.structs.replace(spec, max_characters=10)
    assert read_items._longest_line_bytes(SimpleNamespace(preprocessing=short)) == 1 << 20


def test_a_manifest_that_was_overwritten_is_not_read_for_the_one_before() -> None:
    data = put("items.jsonl", manifest({"id": "a", "uri": "x"}))
    etag = data.etag(f"inputs/{TENANT}/items.jsonl")
    assert len(read(data, uri=f"{HOME}items.jsonl", etag=etag)) == 1

    put("items.jsonl", manifest({"id": "b", "uri": "y"}), data)

    with pytest.raises(SourceChanged):
        read(data, uri=f"{HOME}items.jsonl", etag=etag)


def test_every_object_under_a_prefix_is_an_item_and_markers_of_folders_are_told() -> None:
    data = put("p/b.png", b"b")
    for name in ("p/", "p/a c%.png", "p/deep/", "p/deep/ü.png", "q.png", "px.png"):
        put(name, b"", data)
    told: list[str] = []

    items = read(data, tell=told.append, prefix=f"{HOME}p/")

    assert [(item.id, item.line, item.key) for item in items] == [
        ("a c%.png", 1, f"inputs/{TENANT}/p/a c%.png"),
        ("b.png", 2, f"inputs/{TENANT}/p/b.png"),
        ("deep/ü.png", 3, f"inputs/{TENANT}/p/deep/ü.png"),
    ]
    assert told == ["markers of folders passed over: 2"]


def test_a_prefix_without_objects_is_refused() -> None:
    assert refusal(put("p/", b""), prefix=f"{HOME}p/").got == 0


def test_inline_items_are_items() -> None:
    items = [
        ManifestItem(id="a", text="x"),
        ManifestItem(id="b", uri=f"{HOME}b.png"),
        ManifestItem(id="c", image=InlineImage(b64=b"hi")),
    ]

    found = read(FakeObjectStore(), items=items)

    assert [(item.id, item.line, item.text, item.key, item.data) for item in found] == [
        ("a", 1, "x", None, None),
        ("b", 2, None, f"inputs/{TENANT}/b.png", None),
        ("c", 3, None, None, b"hi"),
    ]


def check(**source: object) -> None:
    check_input(FakeObjectStore(), msgspec.convert(source, BatchInput), tenant=TENANT)


@pytest.mark.parametrize("kind", ["manifest_uri", "uri", "prefix"])
@pytest.mark.parametrize(
    "address",
    [
        f"{DATA}inputs/other/", f"{DATA}inputs/other/a.jsonl", f"{DATA}inbox/other/", f"{DATA}jobs/{TENANT}/",
        f"{DATA}inputs/{TENANT}/../other/", f"{DATA}inputs/{TENANT}/../other/a.jsonl", "http://x/inputs/acme/a.jsonl",
        f"s3://another/inputs/{TENANT}/", "", "a.jsonl", f"{DATA}inputs/{TENANT}", DATA,
    ],
)  # fmt: skip
def test_a_foreign_address_is_refused_at_the_door(kind: str, address: str) -> None:
    with pytest.raises(UrlRefused) as error:
        check(**{kind: address})

    assert error.value.field == f"input.{kind}"
    assert "fake-bucket" not in error.value.detail


def test_a_folder_is_no_manifest_and_an_object_no_prefix() -> None:
    with pytest.raises(UrlRefused, match="not a folder"):
        check(uri=f"{HOME}a/", format="jsonl")
    with pytest.raises(UrlRefused, match="ends in /"):
        check(prefix=f"{HOME}a.jsonl")
    check(prefix=HOME)


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([{"id": "a", "uri": f"{DATA}inputs/other/a.png"}], "uri"),
        ([{"id": "a", "uri": "a.png"}], "uri"),
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], "id"),
    ],
)
def test_inline_items_are_refused_at_the_door(items: list, field: str) -> None:
    with pytest.raises(ManifestInvalid) as error:
        check(items=items)

    assert error.value.errors[0]["field"] == field


@pytest.mark.parametrize(("name", "is_told"), [("a.jsonl", True), ("a.CSV", True), ("a.txt", False), ("jsonl", False)])
def test_the_format_is_told_by_the_ending_or_the_request(name: str, is_told: bool) -> None:
    check(uri=f"{HOME}{name}", format="csv")
    if is_told:
        check(uri=f"{HOME}{name}")
    else:
        with pytest.raises(RequestInvalid) as error:
            check(uri=f"{HOME}{name}")
        assert error.value.field == "input.format"


@pytest.mark.parametrize("name", ["format", "id_column", "etag"])
def test_what_belongs_to_an_address_needs_one(name: str) -> None:
    with pytest.raises(RequestInvalid):
        BatchInput(prefix=HOME, **{name: "csv"})


def test_what_a_request_leaves_out_is_not_in_its_digest() -> None:
    asked = BatchRequest(schema_version=1, id="j", model="shade", input=BatchInput(uri=f"{HOME}a.csv"))

    assert msgspec.to_builtins(asked)["input"] == {"uri": f"{HOME}a.csv"}
