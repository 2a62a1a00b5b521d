"""Bad requests over HTTP, kind by kind, with what their refusal says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bad_binary import raw_pictures
from bad_input import encoded
from bad_items import changed_row, row, text
from bad_jobs import GOOD as GOOD_JOB
from bad_jobs import changed
from bad_oip import GOOD, infer
from bad_pictures import photo, png, send
from plane import INTERNAL, Request

from builders import picture


@dataclass(frozen=True)
class Row:
    """A request and its refusal; ``says`` are parts of the detail."""

    request: Request
    status: int
    code: str
    says: tuple[str, ...]
    field: str | None = None
    limit: Any = None
    got: Any = None


def tensor(**changes: Any) -> Request:
    """Return an infer request whose first input is changed."""
    left, right = GOOD["inputs"]
    return infer(encoded({"inputs": [{**left, **changes}, right]}))


def as_key(request: Request, key: str | None) -> Request:
    """Return the request under another key."""
    return Request(request.method, request.path, request.body, request.headers, request.query, key)


BIG = bytes(4_650_001)
ROWS = {
    "row_01_no_key": Row(
        Request("GET", "/v2/models/pair", key=None),
        401,
        "auth_invalid",
        ("x-api-key", "missing or not valid"),
        "x-api-key",
    ),
    "row_01_unknown_key": Row(
        Request("GET", "/jobs/a", key="guess"), 401, "auth_invalid", ("x-api-key", "missing or not valid"), "x-api-key"
    ),
    "row_02_scope_lacks": Row(
        as_key(infer(encoded(GOOD)), "jobs-only"),
        403,
        "forbidden_action",
        ("scope 'predict'", "use a key that has it"),
        "x-api-key",
    ),
    "row_03_unknown_job": Row(Request("GET", "/jobs/nothing"), 404, "job_not_found", ("no such job",), "id"),
    "row_03_job_of_another_tenant": Row(
        as_key(Request("GET", "/jobs/of-acme"), "other-tenant"), 404, "job_not_found", ("no such job",), "id"
    ),
    "row_04_model_unknown": Row(
        Request("POST", "/models/shde/predict", picture(), {"content-type": "image/png"}),
        404,
        "model_not_found",
        ("no such model", "shade"),
    ),
    "row_04_version_unknown": Row(
        Request("GET", "/v2/models/pair/versions/7"),
        404,
        "model_not_found",
        ("version",),
    ),
    "row_04_label_unknown": Row(
        Request("GET", "/v2/models/pair/versions/beta"),
        404,
        "model_not_found",
        ("label",),
    ),
    "row_05_json_invalid_trailing_data": Row(
        infer(encoded(GOOD) + b"\n}"),
        400,
        "json_invalid",
        ("at line 2, column 1", "unexpected content after document"),
        "line 2, column 1",
    ),
    "row_05_json_invalid_key_twice": Row(
        infer(b'{"inputs": [],\n "inputs": []}'),
        400,
        "json_invalid",
        ("line 2, column 2", "same key twice"),
        "line 2, column 2",
    ),
    "row_05_json_invalid_nan": Row(
        infer(b'{"inputs": NaN}'), 400, "json_invalid", ("line 1, column 12",), "line 1, column 12"
    ),
    "row_05_json_invalid_utf8": Row(
        infer(b'{"id": "\xff"}'),
        400,
        "json_invalid",
        ("the bytes are not UTF-8", "Send one JSON value"),
        "line 1, column 9",
    ),
    "row_05_json_invalid_byte_order_mark": Row(
        infer(b"\xef\xbb\xbf" + encoded(GOOD)), 400, "json_invalid", ("byte order mark",), "line 1, column 1"
    ),
    "row_06_json_deeper_than_64": Row(
        infer(b'{"inputs": ' + b"[" * 80 + b"]" * 80 + b"}"),
        400,
        "json_too_complex",
        ("81 levels", "64", "Flatten"),
        None,
        64,
        81,
    ),
    "row_06_json_of_too_many_values": Row(
        infer(b"[" + b"0," * 1_000_000 + b"0]"),
        400,
        "json_too_complex",
        ("1000002 values", "1000000"),
        None,
        1_000_000,
        1_000_002,
    ),
    "row_06_json_integer_of_5000_digits": Row(
        infer(b'{"inputs": ' + b"7" * 5000 + b"}"),
        400,
        "json_too_complex",
        ("4300 characters", "Round it"),
        None,
        4300,
        5000,
    ),
    "row_07_body_over_the_limit": Row(
        infer(BIG),
        413,
        "payload_too_large",
        ("4650001 bytes", "4650000", "upload or batch door"),
        "body",
        4_650_000,
        4_650_001,
    ),
    "row_07_body_over_the_gateways_limit": Row(
        infer(bytes(10 * 1024 * 1024 + 1)), 413, "payload_too_large", ("4,650,000 bytes", "upload"), "body", 4_650_000
    ),
    "row_08_type_of_another_kind": Row(
        text(b"good", "text/html"), 415, "media_type_unsupported", ("Set Content-Type", "text/plain"), "Content-Type"
    ),
    "row_08_type_missing": Row(
        Request("POST", "/jobs", encoded(GOOD_JOB)),
        415,
        "media_type_unsupported",
        ("Set Content-Type to application/json",),
        "Content-Type",
        ["application/json"],
        "",
    ),
    "row_09_shape_of_another_rank": Row(
        tensor(shape=[1, 2, 3]),
        422,
        "tensor_shape_mismatch",
        ("[-1, 3]", "[1, 2, 3]"),
        "inputs[0].shape",
        [-1, 3],
        [1, 2, 3],
    ),
    "row_09_shape_with_a_zero": Row(
        tensor(shape=[0, 3]), 422, "tensor_shape_mismatch", ("[-1, 3]", "[0, 3]"), "inputs[0].shape", [-1, 3], [0, 3]
    ),
    "row_09_shape_whose_product_overflows": Row(
        tensor(shape=[2**62, 3]), 422, "tensor_shape_mismatch", ("[-1, 3]",), "inputs[0].shape", [-1, 3], [2**62, 3]
    ),
    "row_09_data_ragged": Row(
        tensor(data=[[1, 2, 3], [4, 5]]), 422, "tensor_shape_mismatch", ("inputs[0]",), "inputs[0].data"
    ),
    "row_10_datatype_of_another_kind": Row(
        tensor(datatype="INT64"),
        422,
        "tensor_dtype_mismatch",
        ("inputs[0]", "FP32"),
        "inputs[0].datatype",
        "FP32",
        "INT64",
    ),
    "row_10_bytes_not_those_of_the_shape": Row(
        raw_pictures([], tail=b"\x05\x00\x00\x00ab", shape=[1]),
        422,
        "tensor_shape_mismatch",
        ("Element 0", "cut off"),
        "inputs[0]",
    ),
    "row_11_column_unknown": Row(changed_row(depth=1), 422, "column_invalid", ("column",), None, None),
    "row_11_column_missing": Row(
        row(encoded({"rows": [{"width": 1}]})), 422, "column_invalid", ("colour", "missing"), None, ["red", "green"]
    ),
    "row_11_category_not_in_the_vocabulary": Row(
        changed_row(colour="blue"), 422, "column_invalid", ("colour", "vocabulary"), None, ["red", "green"]
    ),
    "row_11_number_not_finite": Row(changed_row(width=1e39), 422, "column_invalid", ("width", "FP32"), None),
    "row_12_text_empty": Row(text(b" "), 422, "text_invalid", ("empty",), None),
    "row_12_text_over_the_token_limit": Row(
        text(b"good " * 9), 422, "text_invalid", ("9 tokens", "at most 8", "shorten"), None, 8, 9
    ),
    "row_12_text_with_a_control_character": Row(
        text(b"good\x00day"), 422, "text_invalid", ("control character U+0000", "character 4"), None, None, "U+0000"
    ),
    "row_13_not_an_image": Row(
        send(b"%!PS-Adobe-3.0 EPSF-3.0"), 415, "image_format_unsupported", ("JPEG, PNG", "WebP"), None
    ),
    "row_13_image_cut_off": Row(send(photo("PNG")[:200]), 422, "image_corrupt", ("decoded",), None),
    "row_14_image_of_too_many_pixels": Row(
        send(png(30_000, 30_000)),
        413,
        "image_too_large_decoded",
        ("30000 x 30000 pixels", "1000000"),
        None,
        1_000_000,
        900_000_000,
    ),
    "row_17_name_with_a_path": Row(
        Request("GET", "/models/%2e%2e"), 400, "name_invalid", ("a-z, 0-9", "1 to 64"), "model"
    ),
    "row_17_name_over_64": Row(Request("GET", f"/models/{'a' * 65}"), 400, "name_invalid", ("1 to 64",), "model"),
    "row_17_name_in_a_job": Row(changed(model="../x"), 400, "name_invalid", ("a-z, 0-9",), "model"),
    "row_18_address_of_another_kind": Row(
        changed(input={"manifest_uri": "http://169.254.169.254/latest"}),
        422,
        "callback_url_refused",
        ("s3://", "no other kind"),
        "input.manifest_uri",
    ),
    "row_18_address_of_another_tenant": Row(
        changed(input={"manifest_uri": f"s3://{INTERNAL['DataBucket']}/inputs/other/items.jsonl"}),
        422,
        "callback_url_refused",
        ("rule",),
        "input.manifest_uri",
    ),
    "row_19_field_unknown": Row(
        changed(colour=1), 422, "field_not_allowed", ("field colour", "leave it out", "Allowed here: "), "colour"
    ),
    "row_19_field_of_the_service": Row(
        changed(tenant="other"), 422, "field_not_allowed", ("field tenant", "leave it out"), "tenant"
    ),
    "row_20_cursor_forged": Row(
        Request("GET", "/models", query="cursor=AAAA"), 400, "cursor_invalid", ("begin again without one",), "cursor"
    ),
    "row_20_page_over_the_limit": Row(
        Request("GET", "/models", query="limit=100000"), 400, "cursor_invalid", ("whole number from 1 to",), "limit"
    ),
}
