"""Bad texts and bad table rows, as bodies of the media door."""

from __future__ import annotations

from random import Random
from typing import Any

from bad_input import BadInput, bad, encoded, spliced
from bad_json import json_classes
from plane import Request
from refusals import CANARY

WORDS = "/models/words/predict"
ROWS = "/models/rows/predict"
ROW = {"width": 4, "height": 2.5, "colour": "red"}
_CONTROLS = [bytes([code]) for code in range(32) if code not in b"\t\n\r"]
_BAD_UTF8 = [b"\xff", b"\xc3(", b"\xe2\x82", b"\xf0\x9f\x92", b"\xc0\xaf", b"\xed\xa0\x80", b"\xfe\xff\x00a"]


def text(body: bytes, media_type: str = "text/plain") -> Request:
    """Return a request with a text."""
    return Request("POST", WORDS, body, {"content-type": media_type})


def row(body: bytes, media_type: str = "application/json") -> Request:
    """Return a request with a row."""
    return Request("POST", ROWS, body, {"content-type": media_type})


def changed_row(**changes: Any) -> Request:
    """Return a request with the good row after changes."""
    return row(encoded({"rows": [{**ROW, **changes}]}))


def _without(random: Random) -> Request:
    lost = random.choice(["width", "colour"])
    return row(encoded({"rows": [{name: value for name, value in ROW.items() if name != lost}]}))


def _no_number(random: Random) -> Request:
    values = [CANARY, "4", True, [], [4], {"a": 4}, None, "", 10**39, -1e300, 1e39, 10**300, "NaN", {}]
    return changed_row(width=random.choice(values))


def _no_category(random: Random) -> Request:
    return changed_row(
        colour=random.choice([CANARY, "RED", "red ", 1, None, "", ["red"], {"red": 1}, True, "r\u00e9d"])
    )


def _unknown_column(random: Random) -> Request:
    name = random.choice(
        ["Width", "", CANARY + "/", "tenant", "x" * 5000, "a\x00b", "__proto__", "wid\u0442h", "status"]
    )
    return changed_row(**{name: random.choice([1, CANARY, None, []])})


def _no_row(random: Random) -> Request:
    return row(encoded(random.choice([[], [ROW], CANARY, 1, None, {"row": ROW}, {"data": [4, 2, 1]}])))


TEXT = "text_invalid"
COLUMN = "column_invalid request_invalid field_not_allowed"
CLASSES: list[BadInput] = [
    bad(
        "text_empty",
        lambda random: text(random.choice([b"", b" ", b"\n\t \r\n", b"\xef\xbb\xbf", "\u2003".encode()])),
        TEXT,
    ),
    bad("text_not_utf8", lambda random: text(spliced(random, b"good day", *_BAD_UTF8)), TEXT),
    bad("text_with_control_characters", lambda random: text(spliced(random, b"good day", *_CONTROLS)), TEXT),
    bad("text_of_too_many_tokens", lambda random: text(b"good " * random.randint(9, 190)), TEXT),
    bad("text_of_too_many_characters", lambda random: text(b"g" * random.randint(1001, 190_000)), TEXT),
    bad(
        "text_of_too_many_bytes",
        lambda random: text(CANARY.encode() * random.randint(16_667, 60_000)),
        "payload_too_large",
    ),
    bad("text_noise", lambda random: text(random.randbytes(random.randint(20, 900))), TEXT),
    bad(
        "text_type_not_taken",
        lambda random: text(b"good", random.choice(["", "text/html", "text/csv", "image/png", "text"])),
        "media_type_unsupported",
    ),
    *json_classes("row", encoded({"rows": [ROW]}), lambda _: row(b""), "column_invalid"),
    bad("row_column_missing", _without, COLUMN),
    bad("row_column_no_number", _no_number, COLUMN),
    bad("row_column_no_category", _no_category, COLUMN),
    bad("row_column_unknown", _unknown_column, COLUMN),
    bad("row_no_row", _no_row, COLUMN),
]
