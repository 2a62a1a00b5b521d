"""One strict JSON for every door, held against the standard library's parser."""

from __future__ import annotations

import json
import tracemalloc
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.contracts.decoding import decode_json
from lambent.contracts.strict_json import MAX_DEPTH, MAX_NUMBER_CHARACTERS, MAX_VALUES, check_json
from lambent.contracts.uploads import UploadRequest
from lambent.errors import FieldNotAllowed, JsonInvalid, JsonTooComplex, LambentError, RequestInvalid


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(max_length=4)]
    id: Annotated[str, msgspec.Meta(pattern=r"^\d+\Z")] = "1"
    lane: Literal["cpu", "gpu"] = "cpu"
    inner: Inner | None = None
    more: list[Inner] = []


class Round(msgspec.Struct, tag_field="kind", tag="round"):
    finish: Literal["matt", "gloss"] = "matt"
    size: int = 1


class Square(msgspec.Struct, tag_field="kind", tag="square"):
    size: Annotated[int, msgspec.Meta(ge=2)] = 2


class Shelf(msgspec.Struct):
    shape: Round | Square
    spare: Round | Square | None = None


FIELDS = ["name", "id", "lane", "inner", "more"]


def refused(body: bytes | str, type_: Any = Any) -> LambentError:
    with pytest.raises(LambentError) as caught:
        decode_json(body, type_, what="request body")
    return caught.value


@pytest.mark.parametrize(
    ("body", "where", "reason"),
    [
        (b"", "line 1, column 1", "empty"),
        (b"{", "line 1, column 2", "end of data"),
        (b'{"a": 1} x', "line 1, column 10", "after document"),
        (b'{"a": 1}{"b": 2}', "line 1, column 9", "after document"),
        (b'{"a":\n  NaN}', "line 2, column 3", "unexpected character"),
        (b'{"a": -Infinity}', "line 1, column 8", "no digit"),
        (b'{"a": 1,\n "b": 2,\n "a": 3}', "line 3, column 2", "same key twice"),
        (b'{"a": {"b": 1}, "a": 3}', "line 1, column 17", "same key twice"),
        (b'[{"a": 1}, {"a": 1, "\\u0061": 2}]', "line 1, column 21", "same key twice"),
        (b"\xef\xbb\xbf{}", "line 1, column 1", "byte order mark"),
        ('{"é": "'.encode() + b'\xff"}', "line 1, column 8", "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "line 1, column 1", "not UTF-8"),
        (b'{"a": "\\ud800"}', "line 1, column 8", "surrogate"),
        ('{"a": "\ud800"}', "line 1, column 8", "not UTF-8"),
        (b'{"a": "\x01"}', "line 1, column 8", "control character"),
        (b"{'a': 1}", "line 1, column 2", "unexpected character"),
        (b"[1, 2,]", "line 1, column 6", "trailing comma"),
        (b"[01]", "line 1, column 2", "leading zero"),
        (b"// no\n{}", "line 1, column 1", "unexpected character"),
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused_with_its_place_and_reason(body: bytes | str, where: str, reason: str) -> None:
    error = refused(body)

    assert type(error) is JsonInvalid
    assert error.field == where
    assert f"The request body is not valid JSON at {where}: " in error.detail
    assert reason in error.detail
    assert "Send one JSON value, encoded as UTF-8." in error.detail


@pytest.mark.parametrize("numbers", [1, 10_000])
def test_an_object_ends_behind_its_numbers_however_many_they_are(numbers: int) -> None:
    data = "[" + "0," * numbers + "0]"

    assert decode_json(f'[{{"a": {data}}}, {{"a": {{"a": {data}}}, "b": 1}}]', Any, what="request body")[1]["b"] == 1
    assert "same key twice" in refused(f'{{"a": {{"b": {data}}}, "b": {data}, "a": 1}}').detail


def test_values_are_counted_among_many_strings() -> None:
    strings = ",".join(['"["'] * 300_000)  # brackets in strings count nothing, nor do empty arrays beside strings
    others = ",".join(["[]"] * (MAX_VALUES - 300_001))

    assert check_json(f"[{strings},{others}]", what="request body")
    assert refused(f"[{strings},{others},0]").got == MAX_VALUES + 1


def test_of_a_large_text_the_offset_is_told() -> None:
    error = refused(b"[" + b"0.5," * 300_000 + b"x]")

    assert type(error) is JsonInvalid
    assert "invalid character (byte 1200001)" in error.detail


@pytest.mark.parametrize(
    ("body", "limit", "got"),
    [
        (b"[" * 65 + b"]" * 65, MAX_DEPTH, 65),
        (b"[" * 100_000 + b"]" * 100_000, MAX_DEPTH, 100_000),
        (b'{"a":[' * 50 + b"1" + b"]}" * 50, MAX_DEPTH, 100),
        (b"[" + b"0," * MAX_VALUES + b"0]", MAX_VALUES, MAX_VALUES + 2),
        (b"[" + b"[]," * MAX_VALUES + b"{}]", MAX_VALUES, MAX_VALUES + 2),
        (b"[" + b'"",' * 6_000_000 + b'""]', MAX_VALUES, 6_000_001),
        (b"[" + rb'"\\\"",' * 2_000_000 + b"0]", MAX_VALUES, 2_000_000),
        (b"[1, -" + b"7" * 5000 + b"]", MAX_NUMBER_CHARACTERS, 5001),
        (b"9" * (MAX_NUMBER_CHARACTERS + 1), MAX_NUMBER_CHARACTERS, MAX_NUMBER_CHARACTERS + 1),
    ],
    ids=[
        "65 levels",
        "100,000 levels",
        "objects too",
        "values",
        "empty arrays",
        "strings",
        "escaped strings",
        "5,000 digits",
        "one more digit",
    ],
)
def test_json_that_costs_too_much_is_refused_with_limit_and_size(body: bytes, limit: int, got: int) -> None:
    error = refused(body)

    assert (type(error), error.limit, error.got) == (JsonTooComplex, limit, got)
    assert str(limit) in error.detail


@pytest.mark.parametrize(
    "value",
    [
        [[1]] * 3000,
        {"text": "[" * 500 + "{" * 500},
        {"text": "7" * 3000},
        {"text": 'a"b\\' * 5000, "tail": "\\"},
        ["1" * 50] * 1000,
        {"b64": "A/" * 20_000, "key": {"key": [{"key": 1}, {"key": 2}]}},
        "é" * 10_000,
        eval("[" * 64 + "]" * 64),
        5e-324,
    ],
    ids=lambda value: str(value)[:24],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_large_and_odd_but_good_json_passes(value: Any, indent: int | None) -> None:
    assert decode_json(json.dumps(value, indent=indent), Any, what="request body") == value


@pytest.mark.parametrize("unit", [b'"",', rb'"\n",', b'"":', b"{}", b"}{", b"}", b"][", b"]", b"["])
def test_a_text_of_little_else_than_structure_is_refused_before_anything_is_made_of_it(unit: bytes) -> None:
    body = unit * (24_000_000 // len(unit))

    tracemalloc.start()
    error = refused(body)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert type(error) in {JsonInvalid, JsonTooComplex}
    assert peak_bytes < 64_000_000


def test_the_largest_number_of_values_and_the_longest_number_pass() -> None:
    most = b"[" + b"0," * (MAX_VALUES - 2) + b"0]"

    assert len(decode_json(most, Any, what="request body")) == MAX_VALUES - 1
    assert decode_json(b"0." + b"3" * (MAX_NUMBER_CHARACTERS - 2), Any, what="request body") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("body", "error", "field", "limit", "got", "says"),
    [
        (b"[]", RequestInvalid, None, None, "array", "Expected object, got array"),
        (b"{}", RequestInvalid, "name", None, None, "lacks the field name"),
        (b'{"name": 5}', RequestInvalid, "name", 4, "int", "at name: Expected str, got int"),
        (b'{"name": "", "id": "x"}', RequestInvalid, "id", r"^\d+\Z", None, "Expected str matching regex"),
        (b'{"name": "12345"}', RequestInvalid, "name", 4, None, "length <= 4"),
        (b'{"name": "a", "lane": "SECRET"}', RequestInvalid, "lane", ["cpu", "gpu"], None, "one of ['cpu', 'gpu']"),
        (b'{"name": "a", "inner": {"size": 0}}', RequestInvalid, "inner.size", 1, None, ">= 1"),
        (b'{"name": "a", "more": [{}, {"size": ""}]}', RequestInvalid, "more[1].size", 1, "str", "Expected int"),
        (b'{"name": "a", "tenant": "SECRET"}', FieldNotAllowed, "tenant", FIELDS, None,
         "a field tenant that is not allowed; leave it out. Allowed here: name, id, lane, inner, more."),
        (b'{"name": "a", "inner": {"x": 1}}', FieldNotAllowed, "inner.x", ["size"], None, "Allowed here: size."),
        (b'{"name": "a", "more": [{"x": 1}]}', FieldNotAllowed, "more[0].x", ["size"], None, "Allowed here: size."),
        (b'{"name": "a", "SECRET /`b": 1}', FieldNotAllowed, "?", FIELDS, None, "a field ?"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_schema_names_path_limit_and_kind(body, error, field, limit, got, says) -> None:
    found = refused(body, Outer)

    assert (type(found), found.field, found.limit, found.got) == (error, field, limit, got)
    assert says in found.detail
    assert "SECRET" not in json.dumps(found.to_dict())


def test_an_unknown_kind_is_refused_without_repeating_it() -> None:
    class A(msgspec.Struct, tag_field="kind", tag="a"):
        pass

    class B(msgspec.Struct, tag_field="kind", tag="b"):
        pass

    error = refused(b'{"kind": "SECRET"}', A | B)

    assert (type(error), error.field) == (RequestInvalid, "kind")
    assert "SECRET" not in error.detail


@pytest.mark.parametrize(
    "body", [b'{"tenant": 1, x}', b'{"name": 5} x', b'{"lane": "x", "lane": "y"}', b'{"name": [1,]}']
)
def test_what_is_not_json_is_reported_before_what_does_not_fit(body: bytes) -> None:
    assert type(refused(body, Outer)) is JsonInvalid


class _Twice(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise _Twice
    return dict(pairs)


def _refuse_constant(_: str) -> None:
    raise ValueError


def is_strict_json(body: bytes) -> bool:
    """Tell by the standard library alone: UTF-8 without mark, no constants, no key twice, no lone surrogate."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return False
    return not body.startswith(b"\xef\xbb\xbf")


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
)
FRAGMENTS = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"', "\\", '"a"', '"b"', '"\\u0061"', '"\\""', '"a":', "1", "-0", "1e5", "01",
     "true", "null", "NaN", " ", "\n", "\t", "\\ud800", "é", "\ufeff", "\x00", "\x7f", "{}", "[]", '{"a":1,',
     "0.", "1.5"]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join).map(str.encode)


@st.composite
def broken_json(draw: st.DrawFn) -> bytes:
    """Return JSON with a few bytes replaced, cut out or repeated."""
    body = bytearray(json.dumps(draw(JSON_VALUES), ensure_ascii=draw(st.booleans())).encode())
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 8)))
        body[start:end] = draw(st.binary(max_size=2) | FRAGMENTS.map(str.encode) | st.just(bytes(body[start:end] * 2)))
    return bytes(body)


@given(body=broken_json() | TEXTS | TEXTS.map(lambda text: b'{"a":[' + text + b"]}"))
def test_exactly_the_json_that_the_standard_library_takes_strictly_is_taken(body: bytes) -> None:
    if is_strict_json(body):
        assert decode_json(body, Any, what="request body") == json.loads(body)
    else:
        assert type(refused(body)) is JsonInvalid


@given(value=JSON_VALUES)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    assert decode_json(json.dumps(value), Any, what="request body") == value


@given(depth=st.integers(1, 140), opener=st.sampled_from(["[", '{"a":', '[0,{"]":']), padding=st.integers(0, 40))
def test_depth_is_counted_exactly(depth: int, opener: str, padding: int) -> None:
    levels = opener.count("[") + opener.count("{")
    closer = "".join({"[": "]", "{": "}"}[char] for char in reversed(opener) if char in "[{")
    body = "[" + "[]," * padding + opener * depth + "0" + closer * depth + "]"

    if 1 + depth * levels > MAX_DEPTH:
        assert refused(body).got == 1 + depth * levels
    else:
        decode_json(body, Any, what="request body")


def test_a_text_that_misses_its_pattern_is_told_the_pattern() -> None:
    with pytest.raises(RequestInvalid, match="regex") as refusal:
        decode_json(b'{"model":"m","content_type":"a/b","sha256":"short"}', UploadRequest, what="upload request")

    assert refusal.value.field == "sha256"


@pytest.mark.parametrize(
    ("body", "field", "limit"),
    [
        (b'{"shape": {"kind": "oval"}}', "shape.kind", ["round", "square"]),
        (b'{"shape": {"kind": "round"}, "spare": {"kind": "oval"}}', "spare.kind", ["round", "square"]),
        (b'{"shape": {"kind": "round", "finish": "rough"}}', "shape.finish", ["gloss", "matt"]),
        (b'{"shape": {"kind": "square", "size": 1}}', "shape.size", None),
    ],
)
def test_of_several_kinds_what_is_allowed_is_told_where_they_agree(body: bytes, field: str, limit: Any) -> None:
    error = refused(body, Shelf)

    assert (error.field, error.limit) == (field, limit)
    assert limit is None or str(limit) in error.detail
