"""A text by HTTP, upload, batch and respond-async: what language it is in, by the recipe's transformer."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from lambent.contracts.lines import decode_lines
from lambent.contracts.model import TextPreprocessing
from lambent.domain.model import GOLDEN_FILE, LIVE, TFLITE_FILE
from lambent_toolkit.modelkit.publishing import Publisher

PREDICT = "/models/language/predict"
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
TENANT = "texts"
# After as many tokens as the model takes, nothing of it is read.
END = " Morgen ist Donnerstag, und danach kommt der Freitag." * 20


def labels(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["label"] for each in answer.json()["predictions"]]


@pytest.mark.parametrize(
    ("text", "label"), [("Σήμερα είναι Πέμπτη, αύριο είναι Παρασκευή.", "el"), ("木曜日は週の曜日です。", "ja")]
)
def test_a_sentence_gets_its_label(language: Any, text: str, label: str) -> None:
    plain = language.post(PREDICT, content=text.encode(), headers=TEXT)
    in_json = language.post(PREDICT, json={"text": text})

    assert labels(plain) == labels(in_json) == [label]
    assert plain.headers["lambent-model"] == "language@1"
    assert plain.json()["predictions"] == in_json.json()["predictions"]


def test_several_texts_get_the_labels_that_they_got_where_the_model_was_made(language: Any) -> None:
    texts = [item.decode() for item in language.golden.raw]

    answer = language.post(PREDICT, json={"texts": texts}, params={"top_k": 3})

    assert labels(answer) == language.labels
    assert answer.json()["usage"]["items"] == len(texts)
    for prediction in answer.json()["predictions"]:
        scores = [each["score"] for each in prediction["top"]]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)


def test_csv_on_request(language: Any) -> None:
    texts = [item.decode() for item in language.golden.raw[:4]]

    answer = language.post(PREDICT, json={"texts": texts}, params={"top_k": 2}, headers={"Accept": "text/csv"})

    header, *rows = csv.reader(StringIO(answer.text, newline=""))
    assert header == ["label", "score", "label_2", "score_2"]
    assert [row[0] for row in rows] == language.labels[:4]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "field"),
    [
        (b"", "text/plain", 422, "text_invalid", "text"),
        (b" \r\n\t", "text/plain", 422, "text_invalid", "text"),
        (b"\xff\xfe", "text/plain", 422, "text_invalid", "text"),
        (b"a\x07bell", "text/plain", 422, "text_invalid", "text"),
        (b"ol\xe9", "text/plain; charset=latin-1", 415, "media_type_unsupported", "Content-Type"),
        (b"<p>a</p>", "text/html", 415, "media_type_unsupported", "Content-Type"),
        (b"x", "image/png", 415, "media_type_unsupported", "Content-Type"),
        (b"a\nb", "text/csv", 415, "media_type_unsupported", "Content-Type"),
        (b'{"text": ""}', "application/json", 422, "text_invalid", "text"),
        (b'{"texts": ["one", "two", "thr\\u0000ee"]}', "application/json", 422, "text_invalid", "texts[2]"),
        (b'{"texts": []}', "application/json", 422, "request_invalid", "texts"),
        (b'{"text": "a", "texts": ["b"]}', "application/json", 422, "request_invalid", "text"),
        (b'{"text": 7}', "application/json", 422, "request_invalid", "text"),
        (b'{"image": {"b64": ""}}', "application/json", 422, "field_not_allowed", "image"),
        (b'{"text": "\\ud800"}', "application/json", 400, "json_invalid", None),
    ],
)  # fmt: skip
def test_refusals_name_where(
    language: Any, body: bytes, content_type: str, status: int, code: str, field: str | None
) -> None:
    answer = language.post(PREDICT, content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert field is None or answer.json()["field"] == field
    assert answer.json()["error"] == answer.json()["detail"]


@pytest.fixture(scope="module")
def short(language: Any) -> str:
    """Publish the model once more, under a name of its own, with a contract that refuses what it would cut off."""
    artifact = language.artifact
    spec = artifact.contract.preprocessing
    assert isinstance(spec, TextPreprocessing)
    contract = msgspec.structs.replace(
        artifact.contract, name="language-short", preprocessing=msgspec.structs.replace(spec, too_long="refuse")
    )
    files = {name: artifact.files[name] for name in (*artifact.assets, TFLITE_FILE)}
    golden = language.golden
    # Only a text of fewer tokens than fit is one that this contract surely takes.
    row = int(np.flatnonzero(golden.tensors["mask"][:, -1] == 0)[0])
    files[GOLDEN_FILE] = golden.part(row, row + 1).to_npz()
    publisher = Publisher(language.product.info)
    ref = publisher.publish_files(files, contract).ref
    publisher.set_label(ref.name, LIVE, ref.version)
    return ref.name


@pytest.mark.parametrize(
    ("path", "request_of", "field"),
    [
        ("/models/{}/predict", lambda text: {"content": text.encode(), "headers": TEXT}, "text"),
        ("/models/{}/predict", lambda text: {"json": {"texts": ["Freitag", text]}}, "texts[1]"),
        (
            "/v2/models/{}/infer",
            lambda text: {"json": {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}},
            "inputs[0].data[0]",
        ),
        ("/v1/models/{}:predict", lambda text: {"json": {"instances": ["Freitag", text]}}, "instances[1]"),
    ],
)
def test_too_many_tokens_are_refused_with_the_limit_and_the_count(
    language: Any, short: str, path: str, request_of: Any, field: str
) -> None:
    answer = language.post(path.format(short), **request_of("Donnerstag " * 200))

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"], problem["limit"]) == (422, "text_invalid", field, 48)
    assert problem["got"] >= 200


def test_a_contract_that_cuts_off_answers_by_the_beginning(language: Any) -> None:
    beginning = "木曜日、" * 100

    whole, cut, end = (
        language.post(PREDICT, content=text.encode(), headers=TEXT).json()["predictions"]
        for text in (beginning + END, beginning, END)
    )

    assert whole == cut != end


def test_an_uploaded_text_gets_its_result_and_an_empty_one_its_error(language: Any) -> None:
    product = language.product

    product.put(f"inbox/{TENANT}/language/note.txt", language.golden.raw[1])
    product.put(f"inbox/{TENANT}/language/blank.txt", b" \n")

    result = product.wait_for_json(f"results/{TENANT}/language/note.txt.json")
    error = product.wait_for_json(f"results/{TENANT}/language/blank.txt.error.json")
    assert (result["model"], result["version"], result["label"]) == ("language", "1", language.labels[1])
    assert (error["code"], error["source"], error["retryable"]) == ("text_invalid", "blank.txt", False)


def test_a_batch_of_texts_on_the_cpu_lane(language: Any) -> None:
    product, texts = language.product, [*language.golden.raw[:6], b"\x00"]
    items = []
    for index, text in enumerate(texts):
        key = f"inputs/{TENANT}/batch/{index}.txt"
        product.put(key, text)
        items.append(json.dumps({"id": f"t{index}", "uri": f"s3://{product.data}/{key}"}))
    product.put(f"inputs/{TENANT}/batch.jsonl", "\n".join(items).encode())
    manifest = f"s3://{product.data}/inputs/{TENANT}/batch.jsonl"

    request = {
        "schema_version": 1,
        "id": "cpu",
        "model": "language",
        "lane": "cpu",
        "input": {"manifest_uri": manifest},
    }

    product.send_batch(json.dumps(request), tenant=TENANT)
    job = product.wait_for_job("cpu", TENANT)

    parts = sorted(product.keys(f"jobs/{TENANT}/cpu/part-"))
    lines = [line for key in parts for line in decode_lines(product.read(key))]
    (error,) = decode_lines(product.read(f"jobs/{TENANT}/cpu/errors.jsonl"))
    assert (job["state"], job["lane"], job["done"], job["failed"]) == ("PARTIAL", "cpu", 6, 1)
    assert [line["id"] for line in lines] == [f"t{index}" for index in range(7)]
    assert [line["label"] for line in lines[:6]] == language.labels[:6]
    assert (error["id"], error["code"]) == ("t6", "text_invalid")


def test_a_text_is_answered_later_as_it_is_at_once(language: Any) -> None:
    sent = {"url": PREDICT, "content": language.golden.raw[2], "params": {"top_k": 2}}
    at_once = language.product.http.post(**sent, headers=TEXT)

    accepted = language.product.http.post(**sent, headers=TEXT | {"Prefer": "respond-async"})
    language.product.wait_for_job(accepted.json()["id"], "default")
    job = language.product.http.get(accepted.url.join(accepted.headers["location"])).json()

    assert accepted.status_code == 202, accepted.text
    assert job["state"] == "SUCCEEDED"
    assert language.product.http.get(job["result"]).json() == at_once.json()
