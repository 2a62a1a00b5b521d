"""Every decoder under structured chance: input that is nearly right is refused, or read as what it declares."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable
from math import prod
from typing import Any

import fault_models
import numpy as np
import pytest
from bad_media import BOUNDARY, part
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lambent.contracts import oip, oip_raw, tfs, tfs_json
from lambent.contracts.content_coding import decode_content
from lambent.contracts.media_requests import MediaItems, read_json_items
from lambent.contracts.model import ModelContract
from lambent.contracts.multipart import read_files
from lambent.contracts.tables import read_rows
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.contracts.tensor_binary import byte_strings, join_byte_strings
from lambent.domain.preprocessing import Preprocessor, make_preprocessor
from lambent.errors import LambentError

SHADE, WORDS, ROWS, PAIR = (getattr(fault_models, name)() for name in ("shade", "words", "rows", "pair"))
IMAGES = make_preprocessor(SHADE, {})
TEXTS = make_preprocessor(WORDS, {"tokenizer.json": fault_models.read("tokenizer.json")})
TABLES = make_preprocessor(ROWS, {})
MAX_ROWS = fault_models.LIMITS.max_rows
EXAMPLES = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])

numbers = st.one_of(st.integers(-5, 5), st.floats(-10, 10), st.sampled_from([2**31, 2**63, 1e39, 7.5, -0.0]))
odd = st.one_of(st.none(), st.booleans(), st.text(max_size=5), st.just([]), st.just({}), numbers)


def rarely(usual: st.SearchStrategy[Any], unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy that is nearly always the usual one."""
    return st.integers(0, 9).flatmap(lambda chance: unusual if chance == 9 else usual)


def attempt(decode: Callable[[], Any]) -> Any:
    """Return what a decoder returns, None for a refusal; anything else that it raises fails the test."""
    try:
        return decode()
    except LambentError:
        return None


def check_arrays(arrays: dict[str, np.ndarray], contract: ModelContract, shapes: dict[str, list[int]] | None) -> None:
    """Assert that arrays are of the contract's names, datatypes and dimensions, and of the shapes that were sent."""
    assert sorted(arrays) == sorted(spec.name for spec in contract.inputs)
    for spec in contract.inputs:
        array = arrays[spec.name]
        assert array.dtype == DTYPE_BY_DATATYPE[spec.datatype]
        assert all(want in (-1, got) for got, want in zip(array.shape, spec.shape, strict=True))
        if shapes is not None:
            assert list(array.shape) == shapes[spec.name]


def check_prepared(arrays: dict[str, np.ndarray] | None, preprocessor: Preprocessor, contract: ModelContract) -> None:
    """Assert that one item's arrays make a batch of one row."""
    if arrays is not None:
        batch = preprocessor.collate([arrays])
        check_arrays(batch, contract, None)
        assert {len(array) for array in batch.values()} == {1}


@st.composite
def oip_tensors(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a request to `pair` whose shapes, values and names are nearly right."""
    rows = draw(st.integers(1, 9))
    inputs = []
    for name, width, datatype in [("left", 3, "FP32"), ("right", 2, "INT32")]:
        shape = [rows, width]
        size = draw(rarely(st.just(rows * width), st.integers(0, 20)))
        data = draw(st.lists(rarely(st.integers(-9, 9), odd), min_size=size, max_size=size))
        tensor = {"name": name, "shape": shape, "datatype": datatype, "data": data}
        key = draw(rarely(st.none(), st.sampled_from(sorted(tensor))))
        if key is not None:
            tensor[key] = draw(st.one_of(odd, st.lists(numbers, max_size=4)))
        inputs.append(tensor)
    return {"inputs": draw(rarely(st.just(inputs), st.lists(st.sampled_from(inputs), max_size=3)))}


def shapes_of(request: dict[str, Any]) -> dict[str, list[int]]:
    return {tensor["name"]: tensor["shape"] for tensor in request["inputs"]}


@EXAMPLES
@given(request=oip_tensors())
def test_tensors_in_json_are_read_with_their_shape_or_refused(request: dict[str, Any]) -> None:
    body = json.dumps(request).encode()

    arrays = attempt(lambda: oip.read_inputs(oip.decode_infer(body), PAIR))

    if arrays is not None:
        check_arrays(arrays, PAIR, shapes_of(request))


@EXAMPLES
@given(request=oip_tensors(), tail=st.binary(max_size=3), off=st.integers(-2, 2), cut=st.booleans())
def test_binary_tensors_are_read_with_their_shape_or_refused(
    request: dict[str, Any], tail: bytes, off: int, cut: bool
) -> None:
    sizes = [12 * PAIR.limits.max_rows, 8 * PAIR.limits.max_rows]
    for tensor, size in zip(request["inputs"], sizes, strict=False):
        tensor.pop("data", None)
        shape = tensor.get("shape")
        plain = isinstance(shape, list) and all(type(each) is int and 0 < each < 10 for each in shape)
        tensor["parameters"] = {"binary_data_size": 4 * prod(shape) if plain else size}
    text = json.dumps(request).encode()
    whole = b"".join(bytes(tensor.get("parameters", {}).get("binary_data_size", 0)) for tensor in request["inputs"])
    length = len(text) + (off if cut else 0)

    arrays = attempt(
        lambda: oip.read_inputs(oip.decode_infer(text + whole + (tail if cut else b""), str(length)), PAIR)
    )

    if arrays is not None:
        check_arrays(arrays, PAIR, shapes_of(request))


@EXAMPLES
@given(strings=st.lists(st.binary(max_size=5), max_size=9), more=st.integers(-1, 1), cut=st.integers(0, 3))
def test_byte_strings_are_as_many_as_declared_or_refused(strings: list[bytes], more: int, cut: int) -> None:
    body = join_byte_strings(strings)
    body = body[: len(body) - cut]
    count = max(0, len(strings) + more)

    read = attempt(lambda: byte_strings(memoryview(body), count=count, field="inputs[0]"))

    assert (read is not None) == (body == join_byte_strings(strings) and count == len(strings))
    assert read is None or read == strings


@EXAMPLES
@given(
    shape=rarely(st.sampled_from([[1], [2], [2, 1]]), st.lists(st.integers(-1, 9), max_size=3)),
    data=st.lists(rarely(st.sampled_from(["AAAA", "", "AA==", "*", "AAA"]), odd), max_size=3),
)
def test_raw_pictures_are_as_many_as_declared_or_refused(shape: list[int], data: list[Any]) -> None:
    tensor = {"name": "image", "shape": shape, "datatype": "BYTES", "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()

    items = attempt(lambda: oip_raw.read_raw_items(oip.decode_infer(body), SHADE))

    assert items is None or ([type(item) for item in items] == [bytes] * prod(shape) and len(items) == len(data))


rows_of_pair = st.fixed_dictionaries(
    {
        "left": st.lists(rarely(numbers, odd), min_size=3, max_size=3),
        "right": st.lists(rarely(st.integers(-9, 9), odd), min_size=2, max_size=2),
    }
)


@EXAMPLES
@given(
    rows=st.lists(rarely(rows_of_pair, st.dictionaries(st.sampled_from(["left", "right"]), odd)), max_size=9),
    by_column=st.booleans(),
)
def test_rows_and_columns_are_read_one_row_each_or_refused(rows: list[dict[str, Any]], by_column: bool) -> None:
    columns = {name: [row.get(name) for row in rows] for name in ("left", "right")}
    body = json.dumps({"inputs": columns} if by_column else {"instances": rows}).encode()

    found = attempt(lambda: tfs.read_predict(tfs_json.decode_body(body), PAIR))

    if found is not None:
        check_arrays(found.tensors, PAIR, {"left": [len(rows), 3], "right": [len(rows), 2]})


items_of_media = st.one_of(
    st.fixed_dictionaries({"b64": st.sampled_from(["AAAA", "", "AA==", "*", "AAA", "é"])}),
    st.text(max_size=5),
    st.dictionaries(st.sampled_from(["width", "height", "colour"]), odd, max_size=3),
    odd,
)


@pytest.mark.parametrize("contract", [SHADE, WORDS, ROWS], ids=lambda contract: contract.name)
@EXAMPLES
@given(items=st.lists(items_of_media, max_size=9), name=st.sampled_from(["images", "texts", "rows", "text", "image"]))
def test_media_json_is_read_item_by_item_or_refused(contract: ModelContract, items: list[Any], name: str) -> None:
    sent = items if name.endswith("s") else (items or [None])[0]

    found: MediaItems | None = attempt(lambda: read_json_items(json.dumps({name: sent}).encode(), contract))

    if found is not None:
        assert len(found.items) == (len(items) if name.endswith("s") else 1) <= MAX_ROWS
        kind = {"shade": bytes, "words": str, "rows": dict}[contract.name]
        assert {type(item) for item in found.items} == {kind}


cells = rarely(st.sampled_from(["4", "2.5", "", "-1e3", " 7 "]), st.text(max_size=6))
headers = rarely(
    st.permutations(["width", "height", "colour"]), st.lists(st.sampled_from(["width", "height", "x", ""]), max_size=4)
)


@EXAMPLES
@given(
    header=headers,
    table=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=9),
    end=st.sampled_from([b"", b"\n", b"\r", b'"']),
)
def test_a_table_is_read_row_by_row_or_refused(header: list[str], table: list[list[str]], end: bytes) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([header, *table])
    body = text.getvalue().encode(errors="surrogatepass") + end

    rows = attempt(lambda: read_rows(body, ROWS.preprocessing.columns, max_rows=MAX_ROWS))

    if rows is not None:
        assert 1 <= len(rows) <= MAX_ROWS
        assert len(rows) <= len(table)
        assert all(list(row) == header for row in rows)
        assert all(row[name] is None or type(row[name]) is float for row in rows for name in ("width", "height")
                   if name in row)  # fmt: skip


@EXAMPLES
@given(
    row=rarely(
        st.fixed_dictionaries({"width": numbers, "height": numbers, "colour": st.sampled_from(["red", "blue"])}),
        st.dictionaries(st.sampled_from(["width", "height", "colour", "x"]), odd),
    )
)
def test_a_row_of_a_table_is_prepared_or_refused(row: dict[str, Any]) -> None:
    prepared = attempt(lambda: TABLES.prepare(json.dumps(row).encode()))

    check_prepared(prepared, TABLES, ROWS)


dispositions = st.sampled_from(
    [
        'Content-Disposition: form-data; name="f"; filename="a"', 'Content-Disposition: form-data; name="f"',
        "Content-Disposition: attachment", "X: y", "", 'Content-Disposition: form-data; name="f"; filename="a\\"b',
    ]
)  # fmt: skip


@EXAMPLES
@given(
    bodies=st.lists(st.binary(max_size=40), max_size=9),
    odd_head=rarely(st.none(), dispositions),
    cut=rarely(st.just(0), st.integers(1, 30)),
)
def test_a_form_is_read_file_by_file_or_refused(bodies: list[bytes], odd_head: str | None, cut: int) -> None:
    parts = [part(body) for body in bodies] + ([] if odd_head is None else [part(b"x", odd_head)])
    form = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    sent = form[: len(form) - cut]

    files = attempt(lambda: read_files(sent, f"multipart/form-data; boundary={BOUNDARY}", max_files=8))

    assert files is None or [file.body for file in files][: len(bodies)] == bodies
    if odd_head is None and cut == 0 and 1 <= len(bodies) <= 8:
        assert files is not None


@EXAMPLES
@given(
    body=st.binary(max_size=300).map(lambda body: body * 9),
    coding=st.sampled_from(["gzip", "deflate", "identity"]),
    other=st.sampled_from(["gzip", "deflate", "identity"]),
    damage=rarely(st.none(), st.tuples(st.integers(0, 30), st.integers(1, 255))),
    limit=st.integers(1, 3000),
)
def test_a_coding_is_undone_within_its_limit_or_refused(
    body: bytes, coding: str, other: str, damage: tuple[int, int] | None, limit: int
) -> None:
    packed = bytearray({"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[coding](body))
    if damage is not None and damage[0] < len(packed):
        packed[damage[0]] ^= damage[1]

    decoded = attempt(lambda: decode_content(bytes(packed), other, max_bytes=limit))

    if decoded is not None and other != "identity":
        assert len(decoded) <= limit
    if damage is None and coding == other != "identity":
        assert decoded == (body if len(body) <= limit else None)


@EXAMPLES
@given(
    mode=st.sampled_from(["L", "RGB", "RGBA", "P", "1", "LA", "I;16"]),
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    damage=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), max_size=2),
    cut=rarely(st.just(0), st.integers(1, 40)),
)
def test_a_picture_is_prepared_or_refused(
    mode: str, kind: str, size: tuple[int, int], damage: list[tuple[int, int]], cut: int
) -> None:
    buffer = io.BytesIO()
    try:
        Image.new(mode, size, 1).save(buffer, kind)
    except (OSError, ValueError):
        Image.new("RGB", size, 1).save(buffer, kind)
    picture = bytearray(buffer.getvalue())
    for place, change in damage:
        if place < len(picture):
            picture[place] ^= change

    prepared = attempt(lambda: IMAGES.prepare(bytes(picture[: len(picture) - cut])))

    check_prepared(prepared, IMAGES, SHADE)
    if not damage and cut == 0 and kind in ("PNG", "JPEG", "WEBP"):
        assert prepared is not None


@EXAMPLES
@given(text=st.text(st.characters(), max_size=60), damage=rarely(st.just(b""), st.binary(min_size=1, max_size=3)))
def test_a_text_is_prepared_or_refused(text: str, damage: bytes) -> None:
    prepared = attempt(lambda: TEXTS.prepare(text.encode(errors="surrogatepass") + damage))

    check_prepared(prepared, TEXTS, WORDS)
