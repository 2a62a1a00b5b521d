"""Bad bodies of several items at the media door: CSV, JSON and multipart forms."""

from __future__ import annotations

from random import Random

from bad_input import BadInput, bad, encoded, scrambled, spliced, truncated
from bad_items import ROW, ROWS, WORDS, row, text
from bad_json import json_classes
from bad_pictures import PREDICT
from plane import Request
from refusals import CANARY

from builders import picture

CSV = b"width,height,colour\r\n4,2.5,red\r\n2,,green\r\n"
BOUNDARY = "boundary-of-a-form"


def table(body: bytes) -> Request:
    """Return a request with a CSV table."""
    return row(body, "text/csv")


def part(body: bytes, headers: str = 'Content-Disposition: form-data; name="file"; filename="a.png"') -> bytes:
    """Return a part of a form."""
    return b"--" + BOUNDARY.encode() + b"\r\n" + headers.encode() + b"\r\n\r\n" + body + b"\r\n"


def form(*parts: bytes, end: bytes = b"--" + BOUNDARY.encode() + b"--\r\n", boundary: str = BOUNDARY) -> Request:
    """Return a request with a form of pictures."""
    content_type = f"multipart/form-data; boundary={boundary}" if boundary else "multipart/form-data"
    return Request("POST", PREDICT, b"".join(parts) + end, {"content-type": content_type})


def _header(random: Random) -> Request:
    header = random.choice(
        [b"", b"width", b"width,height,colour,width", b"width;height;colour", b"Width,height,colour",
        b"width,height," + b"x" * 900,
         b"width,height,colour,tenant", b",,", b'"width', b"\x00", b"width,height,colour,"]
    )  # fmt: skip
    return table(header + b"\r\n4,2.5,red\r\n")


def _cell(random: Random) -> Request:
    width = random.choice(
        [b"x", b"4,5", b"NaN", b"inf", b"1e999", b"0x1", b"1 2", b"1_0", b"=1+1", CANARY.encode(), b"", b"9" * 500]
    )
    colour = random.choice([b"red", b"blue", b"RED", b"=cmd()", CANARY.encode(), b"", b"red\x00"])
    if width == b"4,5" or colour != b"red":
        return table(b"width,height,colour\n" + width + b",1," + colour + b",5\n")
    return table(b"width,height,colour\n" + width + b",1,blue\n")


def _quotes(random: Random) -> Request:
    cell = random.choice([b'"4', b'4"', b'"4"4', b'""4', b'"' * 7, b'"4\n', b'"\x00"'])
    return table(b"width,height,colour\n" + cell + b",1,red\n")


def _rows(random: Random) -> Request:
    body = random.choice([b"width,height,colour\n", CSV + b"4,1,red\r\n" * random.randint(7, 300), b"\n\n", b"", b"\r"])
    return table(body)


def _items(random: Random) -> Request:
    body = random.choice(
        [
            {}, {"texts": []}, {"text": None}, {"text": "good", "texts": ["bad"]}, {"texts": "good"}, {"texts": [5]},
            {"texts": ["good", ""]}, {"texts": ["good"] * 9}, {"text": 5}, {"text": "good", "tenant": CANARY},
            {"txt": "good"},
            {"text": "good\x00"}, {"text": "\ud800"}, {"rows": []}, {"texts": [["good"]]},
        ]
    )  # fmt: skip
    return text(encoded(body), "application/json")


def _row_items(random: Random) -> Request:
    body = random.choice(
        [
            {}, {"rows": []}, {"rows": ROW}, {"rows": [ROW] * 9}, {"rows": [ROW, {}]}, {"rows": [ROW, 5]},
            {"rows": [ROW], "x": 1},
            {"rows": [{**ROW, "width": CANARY}]}, {"rows": [{**ROW, "depth": 1}]}, {"row": ROW},
            {"rows": [[4, 2, "red"]]},
        ]
    )  # fmt: skip
    return row(encoded(body))


def _image_items(random: Random) -> Request:
    body = random.choice(
        [
            {}, {"image": None}, {"image": "AAAA"}, {"image": {"b64": "*"}}, {"image": {"b64": ""}}, {"images": []},
            {"image": {}},
            {"image": {"b64": "AAAA"}}, {"image": {"b64": "AAAA", "x": 1}}, {"images": [{"b64": "AAAA"}] * 9},
            {"image": 5},
            {"image": {"b64": "AAAA\n"}}, {"images": {"b64": "AAAA"}}, {"image": {"b64": "é"}},
            {"image": {"uri": "http://a"}},
        ]
    )  # fmt: skip
    return Request("POST", PREDICT, encoded(body), {"content-type": "application/json"})


def _parts(random: Random) -> Request:
    good = part(picture())
    odd = random.choice(
        [
            part(b"1", 'Content-Disposition: form-data; name="top_k"'), part(b"x", "Content-Type: image/png"),
            part(b"x", ""),
            part(b"not a picture"), part(b""), part(b"x", "X: " + "y" * 20_000), part(b"x", "no colon"), b"\r\n--",
            b"noise",
        ]
    )  # fmt: skip
    return form(*random.choice([(odd,), (good, odd), (odd, good)]))


def _boundary(random: Random) -> Request:
    boundary = random.choice(["", "other", '"', "x" * 400, "a b", "\xff", BOUNDARY[:-1], BOUNDARY + "-"])
    return form(part(picture()), boundary=boundary)


def _cut_form(random: Random) -> Request:
    whole = form(part(picture()), part(picture())).body
    return form(truncated(random, whole[:-4]), end=b"")


LIST = "request_invalid request_malformed column_invalid text_invalid field_not_allowed json_invalid"
FILES = f"{LIST} image_format_unsupported image_corrupt source_empty media_type_unsupported"
CLASSES: list[BadInput] = [
    *json_classes(
        "texts", encoded({"texts": ["good", "bad"]}), lambda _: text(b"", "application/json"), "text_invalid"
    ),
    bad("csv_header_unknown", _header, "column_invalid request_invalid"),
    bad("csv_cell_no_value", _cell, "column_invalid"),
    bad("csv_quotes", _quotes, "column_invalid", can_be_good=True),
    bad("csv_no_or_too_many_rows", _rows, "request_invalid column_invalid"),
    bad("csv_not_utf8", lambda random: table(spliced(random, CSV, b"\xff", b"\xc3(", b"\xed\xa0\x80")), "text_invalid"),
    bad("csv_scrambled", lambda random: table(scrambled(random, CSV)), LIST, can_be_good=True),
    bad("media_texts_of_another_kind", _items, LIST),
    bad("media_rows_of_another_kind", _row_items, LIST),
    bad("media_images_of_another_kind", _image_items, FILES),
    bad("form_part_no_picture", _parts, FILES),
    bad("form_boundary_missing_or_other", _boundary, FILES),
    bad("form_cut_off", _cut_form, FILES),
    bad("form_of_too_many_parts", lambda random: form(*[part(picture())] * random.randint(9, 400)), "request_invalid"),
    bad(
        "form_scrambled",
        lambda random: form(scrambled(random, form(part(picture())).body), end=b""),
        FILES,
        can_be_good=True,
    ),
    bad(
        "form_for_a_model_of_texts",
        lambda _: Request("POST", WORDS, b"", form().headers),
        "media_type_unsupported",
    ),
    bad("csv_for_a_model_of_texts", lambda _: text(CSV, "text/csv"), "media_type_unsupported"),
    bad(
        "picture_for_a_model_of_rows",
        lambda _: Request("POST", ROWS, picture(), {"content-type": "image/png"}),
        "media_type_unsupported",
    ),
]
