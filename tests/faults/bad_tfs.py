"""Bad TensorFlow Serving requests."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.parse import quote

from bad_input import BadInput, bad, encoded
from bad_json import json_classes
from plane import Request
from refusals import CANARY

PREDICT = "/v1/models/pair:predict"
INSTANCE = {"left": [1, 2, 3], "right": [4, 5]}
GOOD = {"signature_name": "serving_default", "instances": [INSTANCE, INSTANCE]}
_JUNK = [None, 5, True, CANARY, [], {}, [CANARY], {"a": 1}, [[]], [None], [INSTANCE, 5], [[1, 2, 3]]]


def call(body: Any, path: str = PREDICT) -> Request:
    """Return a request with a JSON body."""
    return Request("POST", path, encoded(body), {"content-type": "application/json"})


def _formats(random: Random) -> Request:
    both = {"instances": [INSTANCE], "inputs": {"left": [[1, 2, 3]], "right": [[4, 5]]}}
    return call(random.choice([both, {}, {"instances": None}, {"inputs": None}, {"signature_name": "serving_default"}]))


def _junk(random: Random) -> Request:
    return call({random.choice(["instances", "inputs"]): random.choice(_JUNK)})


def _instance(random: Random) -> Request:
    change = random.choice(
        [
            {"left": [1, 2]}, {"left": [[1, 2, 3]]}, {"left": "1"}, {"left": {"b64": "AAAA"}}, {"left": [1, 2, CANARY]},
            {"left": [1, 2, None]}, {"right": [1.5, 2]}, {"right": [2**31, 1]}, {"right": []}, {"left": [1, 2, 1e39]},
            {CANARY: 1}, {"left": [True, 1, 2]}, {"right": [[1, 2], [3]]},
        ]
    )  # fmt: skip
    return call({"instances": [{**INSTANCE, **change}]})


def _columns(random: Random) -> Request:
    columns = random.choice(
        [
            {"left": [[1, 2, 3]]}, {"left": [[1, 2, 3]], "right": [[4, 5], [6, 7]]}, {"left": [], "right": []},
            [[1, 2, 3]],
            {"left": [[1, 2, 3]], "right": [[4, 5]], "more": [[1]]}, {"left": [1, 2, 3], "right": [4, 5]}, {"right": 4},
        ]
    )  # fmt: skip
    return call({"inputs": columns})


def _b64(random: Random) -> Request:
    text = random.choice(["", "*", "AAA", "AA\n==", "=", "é", CANARY + "!", "iVBORw0KGgo", "R0lGODlh"])
    picture = random.choice(
        [{"b64": text}, {"b64": 5}, {"b64": None}, {"b64": text, "more": 1}, {"b65": text}, text, {}]
    )
    return call({"instances": [picture]}, "/v1/models/shade:predict")


def _signature(random: Random) -> Request:
    return call({**GOOD, "signature_name": random.choice(["", CANARY, "predict", "x" * 3000, 5, [], {}])})


def _method(random: Random) -> Request:
    method = random.choice(
        ["", "Predict", "infer", "predict:predict", "explain", "%70redict2", "predict/", CANARY, "classify\n"]
    )
    return call(GOOD, f"/v1/models/pair:{quote(method)}")


def _address(random: Random) -> Request:
    address = random.choice(
        ["versions/1/labels/live", "labels/live/versions/1", "versions/x", "versions/", "labels/",
        "versions/1/versions/1",
         "versions/0", "versions/-1", "versions/99", "labels/beta", "versions/%2e%2e", "versions/1.0", "label/live"]
    )  # fmt: skip
    return call(GOOD, f"/v1/models/pair/{address}:predict")


def _examples(random: Random) -> Request:
    method = random.choice(["classify", "regress"])
    model = random.choice(["rows", "words", "shade", "pair"])
    examples = random.choice([None, [], {}, CANARY, [5], [None], [{}], [{"depth": 1}], [{"width": "x"}], [{"text": 5}]])
    return call({"examples": examples}, f"/v1/models/{model}:{method}")


def _rows(random: Random) -> Request:
    return call({"instances": [INSTANCE] * random.randint(9, 500)})


TENSOR = "request_invalid tensor_shape_mismatch tensor_dtype_mismatch tensor_name_unknown"
ITEM = (
    f"{TENSOR} image_format_unsupported image_corrupt source_empty text_invalid column_invalid media_type_unsupported"
)
# Bare NaN and Infinity are this protocol's; other constants are nobody's.
_JSON = [
    kind
    for kind in json_classes("tfs", encoded(GOOD), lambda _: call({}), TENSOR)
    if not kind.name.endswith("json_no_such_constant")
]
CLASSES: list[BadInput] = [
    *_JSON,
    bad("tfs_both_formats_or_neither", _formats, "request_invalid"),
    bad("tfs_rows_of_another_kind", _junk, TENSOR),
    bad("tfs_row_of_another_form", _instance, TENSOR, can_be_good=True),
    bad("tfs_columns_of_another_form", _columns, TENSOR),
    bad("tfs_b64_no_picture", _b64, ITEM),
    bad("tfs_signature_unknown", _signature, "request_invalid"),
    bad("tfs_method_unknown", _method, "route_not_found model_not_found name_invalid request_malformed"),
    bad("tfs_version_and_label", _address, "request_malformed route_not_found model_not_found name_invalid"),
    bad("tfs_examples_of_another_kind", _examples, ITEM),
    bad("tfs_too_many_rows", _rows, "tensor_shape_mismatch"),
]
