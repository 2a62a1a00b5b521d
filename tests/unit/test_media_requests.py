"""What a person sends: media types, JSON bodies, forms of files."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import contract
from lambent.contracts.media_requests import read_json_items
from lambent.contracts.media_types import choose_media_type, read_media_type
from lambent.contracts.model import NumericColumn, TabularPreprocessing, TextPreprocessing
from lambent.contracts.multipart import read_files
from lambent.errors import (
    FieldNotAllowed,
    JsonInvalid,
    LambentError,
    MediaTypeUnsupported,
    NotAcceptable,
    RequestInvalid,
    RequestMalformed,
)

TEXTS = contract(preprocessing=TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=4, ids_input="image"))
TABLE = contract(preprocessing=TabularPreprocessing(columns=(NumericColumn(name="age"),)))
FILE = {"b64": b64encode(b"picture").decode()}
OFFERED = ("application/json", "text/csv")
FORM = "multipart/form-data; boundary=xyz"

# ------------------------------------------------------------------------------------------------------- media types


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv, application/json", "application/json"),
        ("text/csv;q=0.9, application/json;q=0.8", "text/csv"),
        ("*/*;q=0.1, text/csv", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("text/csv;q=nonsense", "text/csv"),
    ],
)
def test_the_answer_comes_as_the_caller_likes_it_best(accept: str | None, chosen: str) -> None:
    assert choose_media_type(accept, OFFERED) == chosen


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "*/*;q=0.000", "application/*;q=0, image/*"])
def test_an_answer_that_nobody_wants_is_not_made(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refusal:
        choose_media_type(accept, OFFERED)

    assert refusal.value.limit == list(OFFERED)


@given(st.text())
def test_no_accept_header_brings_the_choice_down(accept: str) -> None:
    with suppress(NotAcceptable):
        assert choose_media_type(accept, OFFERED) in OFFERED


@pytest.mark.parametrize("content_type", ["text/plain", "Text/Plain; charset=UTF-8", 'text/plain;charset="utf-8"'])
def test_a_media_type_is_read_without_case_and_parameters(content_type: str) -> None:
    assert read_media_type(content_type, ["text/plain"]) == "text/plain"


@pytest.mark.parametrize("content_type", ["", "text/csv", "text/plain; charset=latin-1", "text"])
def test_another_media_type_or_encoding_is_refused(content_type: str) -> None:
    with pytest.raises(MediaTypeUnsupported) as refusal:
        read_media_type(content_type, ["text/plain"])

    assert refusal.value.field == "Content-Type"


# -------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("of", "fields", "items", "field"),
    [
        (contract(), {"image": FILE}, [b"picture"], None),
        (contract(), {"images": [FILE, FILE]}, [b"picture", b"picture"], "images"),
        (TEXTS, {"text": "hi"}, ["hi"], None),
        (TEXTS, {"texts": ["hi", "ho"]}, ["hi", "ho"], "texts"),
        (TABLE, {"rows": [{"age": 3}]}, [{"age": 3}], "rows"),
    ],
)
def test_items_come_alone_or_in_a_list(of, fields: dict, items: list, field: str | None) -> None:
    found = read_json_items(json.dumps(fields).encode(), of)

    assert (list(found.items), found.field) == (items, field)


@pytest.mark.parametrize(
    ("of", "fields", "error", "field"),
    [
        (contract(), {}, RequestInvalid, "image"),
        (contract(), {"image": FILE, "images": [FILE]}, RequestInvalid, "image"),
        (contract(), {"images": []}, RequestInvalid, "images"),
        (contract(), {"images": [FILE] * 9}, RequestInvalid, "images"),
        (contract(), {"image": "cGlj"}, RequestInvalid, "image"),
        (contract(), {"image": {"b64": "cGlj", "name": "a.png"}}, FieldNotAllowed, "image.name"),
        (contract(), {"image": {"b64": "no base64!"}}, RequestInvalid, "image.b64"),
        (contract(), {"images": [FILE, {"b64": "cGl"}]}, RequestInvalid, "images[1].b64"),
        (contract(), {"text": "hi"}, FieldNotAllowed, "text"),
        (contract(), {"image": FILE, "tenant": "x"}, FieldNotAllowed, "tenant"),
        (TEXTS, {"texts": ["hi", 1]}, RequestInvalid, "texts[1]"),
        (TEXTS, {"texts": []}, RequestInvalid, "texts"),
        (TEXTS, {"rows": []}, FieldNotAllowed, "rows"),
        (TABLE, {}, RequestInvalid, "rows"),
        (TABLE, {"rows": [1]}, RequestInvalid, "rows[0]"),
        (TABLE, {"rows": []}, RequestInvalid, "rows"),
        (TABLE, {"rows": [{}] * 9}, RequestInvalid, "rows"),
    ],
)
def test_json_that_is_not_the_models_is_refused(of, fields: dict, error: type[LambentError], field: str) -> None:
    with pytest.raises(error) as refusal:
        read_json_items(json.dumps(fields).encode(), of)

    assert refusal.value.field == field


def test_nan_is_no_json_here() -> None:
    with pytest.raises(JsonInvalid):
        read_json_items(b'{"rows": [{"age": NaN}]}', TABLE)


# ------------------------------------------------------------------------------------------------------------- forms


def part(body: bytes, head: str = 'form-data; name="a"; filename="a.png"', kind: str | None = "image/png") -> bytes:
    declared = f"Content-Type: {kind}\r\n" if kind else ""
    return f"--xyz\r\nContent-Disposition: {head}\r\n{declared}\r\n".encode() + body + b"\r\n"


def test_files_come_in_their_order_with_their_types() -> None:
    body = part(b"one\r\n--xy") + part(b"", kind=None) + part(bytes(range(256)), kind="Image/JPEG") + b"--xyz--\r\n"

    files = read_files(body, FORM, max_files=3)

    assert [file.body for file in files] == [b"one\r\n--xy", b"", bytes(range(256))]
    assert [file.media_type for file in files] == ["image/png", "", "image/jpeg"]


END = b"--xyz--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (part(b"one") + END, "multipart/form-data", RequestMalformed),
        (part(b"one") + END, "multipart/form-data; boundary=other", RequestMalformed),
        (part(b"one"), FORM, RequestMalformed),
        (b"", FORM, RequestMalformed),
        (b"picture", FORM, RequestMalformed),
        (part(b"one", head="attachment") + END, FORM, RequestMalformed),
        (part(b"one", head='form-data; name="a"; filename="' + "x" * 10_000 + '"') + END, FORM, RequestMalformed),
        (part(b"one", head='form-data; name="top_k"', kind=None) + END, FORM, FieldNotAllowed),
        (part(b"one") * 4 + END, FORM, RequestInvalid),
        (END, FORM, RequestInvalid),
    ],
)
def test_what_is_no_form_of_files_is_refused(body: bytes, content_type: str, error: type[LambentError]) -> None:
    with pytest.raises(error):
        read_files(body, content_type, max_files=3)


@given(st.lists(st.sampled_from([part(b"one"), part(b"two", kind=None), b"--xyz", END, b"\r\n", b"\x00", b": "])))
def test_no_form_brings_the_reader_down(pieces: list[bytes]) -> None:
    try:
        files = read_files(b"".join(pieces), FORM, max_files=3)
    except (RequestMalformed, RequestInvalid, FieldNotAllowed):
        return

    assert 1 <= len(files) <= 3
