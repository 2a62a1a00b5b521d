"""Bad Open Inference Protocol requests in JSON."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from bad_input import BadInput, bad, encoded
from bad_json import json_classes
from plane import Request
from refusals import CANARY

INFER = "/v2/models/pair/infer"
GOOD: dict[str, Any] = {
    "id": CANARY,
    "inputs": [
        {"name": "left", "shape": [2, 3], "datatype": "FP32", "data": [1.5, 2, 3, 4, 5, 6]},
        {"name": "right", "shape": [2, 2], "datatype": "INT32", "data": [[7, 8], [9, 10]]},
    ],
    "outputs": [{"name": "sum"}],
}
Edit = Callable[[Random, dict[str, Any]], None]
_JUNK = [None, 5, -1, 1.5, CANARY, [], {}, [CANARY], True, {"a": CANARY}, [[]], "", 2**70]


def infer(body: bytes, **headers: str) -> Request:
    """Return a request to the model of two inputs."""
    return Request("POST", INFER, body, {name.replace("_", "-"): value for name, value in headers.items()})


def edited(edit: Edit) -> Callable[[Random], Request]:
    """Return a mutation of the good request: its JSON after an edit."""

    def make(random: Random) -> Request:
        request = deepcopy(GOOD)
        edit(random, request)
        return infer(encoded(request))

    return make


def tensor(random: Random, request: dict[str, Any]) -> dict[str, Any]:
    """Return one of a request's inputs."""
    return random.choice(request["inputs"])


def _set(name: str, values: list[Any]) -> Edit:
    def edit(random: Random, request: dict[str, Any]) -> None:
        tensor(random, request)[name] = random.choice(values)

    return edit


def _lose_field(random: Random, request: dict[str, Any]) -> None:
    place, name = random.choice([(request, "inputs"), *((tensor(random, request), each) for each in
                                 ("name", "shape", "datatype", "data"))])  # fmt: skip
    del place[name]


def _wrong_kind(random: Random, request: dict[str, Any]) -> None:
    place, name, right = random.choice(
        [
            (request, "inputs", list),
            (request, "outputs", (list, type(None))),
            (request, "id", (str, type(None))),
            (request, "parameters", dict),
            *((tensor(random, request), each, kind) for each, kind in
              [("name", str), ("shape", list), ("datatype", str), ("data", list), ("parameters", dict)]),
        ]
    )  # fmt: skip
    place[name] = random.choice([value for value in _JUNK if not isinstance(value, right)])


def _ragged(random: Random, request: dict[str, Any]) -> None:
    request["inputs"][0]["data"] = random.choice(
        [
            [[1, 2, 3], [4, 5]], [[1, 2, 3], 4, 5, 6], [1, [2, 3], 4, 5, 6], [[1, 2, 3], [4, 5, [6]]],
            [[[1, 2, 3]], [4, 5, 6]],
        ]
    )  # fmt: skip


def _other_count(random: Random, request: dict[str, Any]) -> None:
    data = request["inputs"][0]["data"]
    request["inputs"][0]["data"] = random.choice(
        [data[: random.randrange(6)], data * random.randint(2, 50), [], [[], []]]
    )


def _value(values: list[Any]) -> Edit:
    def edit(random: Random, request: dict[str, Any]) -> None:
        request["inputs"][0]["data"][random.randrange(6)] = random.choice(values)

    return edit


def _integer(values: list[Any]) -> Edit:
    def edit(random: Random, request: dict[str, Any]) -> None:
        request["inputs"][1]["data"] = [7, 8, 9, random.choice(values)]

    return edit


def _rows(random: Random, request: dict[str, Any]) -> None:
    rows = random.randint(9, 2000)
    for each, width in zip(request["inputs"], (3, 2), strict=True):
        each.update(shape=[rows, width], data=[1] * (rows * width))


def _inputs(random: Random, request: dict[str, Any]) -> None:
    left, right = request["inputs"]
    foreign = {**left, "name": random.choice(["", "LEFT", "left ", CANARY, "left\x00", "right\u0301", "x" * 1000])}
    request["inputs"] = random.choice(
        [[left], [right], [], [left, left], [left, right, right], [foreign, right], [foreign]]
    )


def _outputs(random: Random, request: dict[str, Any]) -> None:
    request["outputs"] = [
        {"name": random.choice(["", "SUM", CANARY, "sum\n", "x" * 1000])} for _ in range(random.randint(1, 50))
    ]


SHAPE = "tensor_shape_mismatch request_invalid"
DTYPE = "tensor_dtype_mismatch request_invalid"
CLASSES: list[BadInput] = [
    *json_classes(
        "oip", encoded(GOOD), lambda _: infer(b""), "tensor_shape_mismatch tensor_dtype_mismatch tensor_name_unknown"
    ),
    bad("oip_field_missing", edited(_lose_field), "request_invalid"),
    bad("oip_field_of_another_kind", edited(_wrong_kind), f"{DTYPE} {SHAPE} tensor_name_unknown", can_be_good=True),
    bad("oip_inputs_missing_twice_unknown", edited(_inputs), "tensor_name_unknown request_invalid"),
    bad("oip_output_unknown_or_twice", edited(_outputs), "tensor_name_unknown request_invalid"),
    bad("oip_shape_of_another_rank", edited(_set("shape", [[], [6], [2, 3, 1], [1] * 100, [1, 2, 1, 3]])), SHAPE),
    bad(
        "oip_shape_zero_or_negative", edited(_set("shape", [[0, 3], [2, 0], [-1, 3], [2, -3], [-2, -3], [0, 0]])), SHAPE
    ),
    bad(
        "oip_shape_overflows",
        edited(_set("shape", [[2**62, 2**62], [2**31, 3], [2**63, 3], [2**64 + 2, 3], [2, 10**40]])),
        SHAPE,
    ),
    bad(
        "oip_shape_of_no_integers",
        edited(_set("shape", [["2", 3], [2.5, 3], [None, 3], [[2], 3], [True, 3], {"a": 2}, "2"])),
        SHAPE,
    ),
    bad("oip_shape_not_its_data", edited(_other_count), SHAPE),
    bad("oip_data_ragged", edited(_ragged), f"{SHAPE} {DTYPE}"),
    bad(
        "oip_datatype_unknown",
        edited(_set("datatype", ["fp32", "FLOAT", "", "FP32 ", "INT4", "x" * 999, "BF16"])),
        f"{DTYPE} tensor_name_unknown",
    ),
    bad(
        "oip_datatype_of_another_input",
        edited(_set("datatype", ["FP64", "FP16", "INT8", "BOOL", "UINT64", "BYTES"])),
        f"{DTYPE} tensor_name_unknown",
    ),
    bad(
        "oip_value_no_number",
        edited(_value([CANARY, None, "1", {"a": 1}, True, "NaN", [], [1, 2]])),
        f"{DTYPE} {SHAPE}",
    ),
    bad("oip_value_beyond_float", edited(_value([1e39, -1e300, 10**39, -(10**400)])), f"{DTYPE} {SHAPE}"),
    bad(
        "oip_value_beyond_integer",
        edited(_integer([2**31, -(2**31) - 1, 2**63, 2**64, 10**100, -(10**30), 1e300])),
        DTYPE,
    ),
    bad("oip_value_a_fraction", edited(_integer([1.5, -0.1, 1e-9, 7.000001])), DTYPE),
    bad("oip_too_many_rows", edited(_rows), "tensor_shape_mismatch"),
]
