"""Door 1 for people, over the wire: pictures as files, in forms and as JSON; answers as JSON and CSV."""

from __future__ import annotations

import csv
import gzip
from base64 import b64encode
from io import BytesIO, StringIO
from typing import Any

import pytest
from PIL import Image

PATH = "/models/digits/predict"


def labels(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["label"] for each in answer.json()["predictions"]]


def converted(png: bytes, kind: str) -> bytes:
    buffer = BytesIO()
    Image.open(BytesIO(png)).convert("L").save(buffer, kind, lossless=True, quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_every_kind_of_picture_gets_its_label(product: Any, kind: str) -> None:
    picture = converted(product.seven, kind)

    answer = product.http.post(PATH, content=picture, headers={"Content-Type": f"image/{kind.lower()}"})

    assert labels(answer) == ["7"]


def test_a_form_of_files_as_a_browser_or_curl_sends_it(product: Any) -> None:
    chosen = product.pictures[:5]
    files = [("image", (f"{place}.png", png, "image/png")) for place, (png, _) in enumerate(chosen)]

    in_form = product.http.post(PATH, files=files, params={"top_k": 2})
    in_json = product.http.post(PATH, json={"images": [{"b64": b64encode(png).decode()} for png, _ in chosen]})

    assert labels(in_form) == labels(in_json) == product.told[:5]
    assert in_form.json()["usage"]["items"] == 5
    assert [len(each["top"]) for each in in_form.json()["predictions"]] == [2] * 5


def test_a_compressed_body_is_a_body(product: Any) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}

    assert labels(product.http.post(PATH, content=gzip.compress(product.seven), headers=headers)) == ["7"]


def test_csv_on_request(product: Any) -> None:
    answer = product.http.post(
        PATH, content=product.seven, headers={"Content-Type": "image/png", "Accept": "text/csv"}, params={"top_k": 3}
    )

    header, cells = csv.reader(StringIO(answer.text, newline=""))
    assert answer.headers["content-type"].startswith("text/csv")
    assert header == ["label", "score", "label_2", "score_2", "label_3", "score_3"]
    assert cells[0] == "7"


@pytest.mark.parametrize(
    ("body", "headers", "query", "status", "code", "field"),
    [
        (None, {"Content-Type": "image/jpeg"}, "", 415, "image_format_unsupported", "image"),
        (None, {"Content-Type": "text/plain"}, "", 415, "media_type_unsupported", "Content-Type"),
        (None, {}, "", 415, "media_type_unsupported", "Content-Type"),
        (None, {"Content-Type": "image/png", "Accept": "image/png"}, "", 406, "not_acceptable", "Accept"),
        (None, {"Content-Type": "image/png"}, "?topk=1", 422, "field_not_allowed", "topk"),
        (None, {"Content-Type": "image/png"}, "?top_k=0", 422, "request_invalid", "top_k"),
        (None, {"Content-Type": "multipart/form-data"}, "", 400, "request_malformed", "body"),
        (b'{"picture": 1}', {"Content-Type": "application/json"}, "", 422, "field_not_allowed", "picture"),
        (b'{"images": [{"b64": "R0lGODlh"}]}', {"Content-Type": "application/json"}, "", 415,
         "image_format_unsupported", "images[0]"),
    ],
)  # fmt: skip
def test_refusals_name_where(
    product: Any, body: bytes | None, headers: dict[str, str], query: str, status: int, code: str, field: str
) -> None:
    answer = product.http.post(f"{PATH}{query}", content=product.seven if body is None else body, headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)
