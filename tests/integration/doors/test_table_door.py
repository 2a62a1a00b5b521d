"""A table row over every door and protocol: which cultivar a wine is made from, by the recipe's dense network."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from lambent.domain.model import GOLDEN_FILE, LIVE, TFLITE_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.publishing import Publisher

PREDICT = "/models/wine/predict"
INFER = "/v2/models/wine/infer"
SERVING = "/v1/models/wine"
CSV = {"Content-Type": "text/csv"}
TENANT = "tables"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(wine: Any) -> list[Row]:
    return [json.loads(item) for item in wine.golden.raw]


def table(rows: list[Row]) -> bytes:
    buffer = StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def with_alcohol(body: bytes, cell: bytes) -> bytes:
    """Put another cell into the first column of the fourth row."""
    lines = body.split(b"\r\n")
    lines[4] = cell + lines[4][lines[4].index(b",") :]
    return b"\r\n".join(lines)


def labels(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["label"] for each in answer.json()["predictions"]]


def test_a_table_and_rows_get_the_labels_that_they_got_where_the_model_was_made(wine: Any, rows: list[Row]) -> None:
    as_table = wine.post(PREDICT, content=table(rows), headers=CSV)
    as_rows = wine.post(PREDICT, json={"rows": rows})

    assert labels(as_table) == labels(as_rows) == wine.labels
    assert as_table.json()["predictions"] == as_rows.json()["predictions"]
    assert as_table.json()["usage"]["items"] == len(rows)


def test_columns_come_in_any_order_and_the_answer_may_be_a_table_too(wine: Any, rows: list[Row]) -> None:
    turned = [dict(reversed(row.items())) for row in rows[:3]]

    answer = wine.post(PREDICT, content=table(turned), headers=CSV | {"Accept": "text/csv"}, params={"top_k": 3})

    header, *cells = csv.reader(StringIO(answer.text, newline=""))
    assert header == ["label", "score", "label_2", "score_2", "label_3", "score_3"]
    assert [row[0] for row in cells] == wine.labels[:3]


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        (lambda row: row.pop("alcohol"), "rows[3].alcohol", "is missing"),
        (lambda row: row.update(alcohol=None), "rows[3].alcohol", "is missing"),
        (lambda row: row.update(alcohol="strong"), "rows[3].alcohol", "must be a number, not a string"),
        (lambda row: row.update(alcohol=True), "rows[3].alcohol", "must be a number, not a truth value"),
        (lambda row: row.update(alcohol=1e39), "rows[3].alcohol", "lies so far out that FP32 cannot hold it"),
        (lambda row: row.update(price=9.5), "rows[3].price", "does not know"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_column(
    wine: Any, rows: list[Row], change: Any, field: str, detail: str
) -> None:
    sent = [dict(row) for row in rows[:5]]
    change(sent[3])

    answers = [
        (wine.post(PREDICT, json={"rows": sent}), field),
        (wine.post(f"{SERVING}:predict", json={"instances": sent}), field.replace("rows", "instances")),
    ]

    for answer, named in answers:
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (422, "column_invalid", named)
        assert detail in problem["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda body: body.replace(b"alcohol,", b"", 1), "rows[0]"),
        (lambda body: body.replace(b"alcohol", b"alkohol", 1), "header.alkohol"),
        (lambda body: body.replace(b"malic_acid", b"alcohol", 1), "header.alcohol"),
        (lambda body: with_alcohol(body, b"inf"), "rows[3].alcohol"),
        (lambda body: with_alcohol(body, b"NaN"), "rows[3].alcohol"),
        (lambda body: with_alcohol(body, b"1e999"), "rows[3].alcohol"),
        (lambda body: with_alcohol(body, b"12;5"), "rows[3].alcohol"),
        (lambda body: with_alcohol(body, b""), "rows[3].alcohol"),
        (lambda _: b"", "rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_its_place(
    wine: Any, rows: list[Row], change: Any, field: str
) -> None:
    answer = wine.post(PREDICT, content=change(table(rows[:5])), headers=CSV)

    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "column_invalid", field)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"rows": [{"alcohol": NaN}]}', "application/json", 400, "json_invalid"),
        (b'{"rows": []}', "application/json", 422, "request_invalid"),
        (b'{"rows": [7]}', "application/json", 422, "request_invalid"),
        (b'{"row": {}}', "application/json", 422, "field_not_allowed"),
        (b"alcohol\n", "text/plain", 415, "media_type_unsupported"),
        (b"PK\x03\x04", "application/vnd.ms-excel", 415, "media_type_unsupported"),
    ],
)
def test_a_body_that_is_no_table_is_refused(wine: Any, body: bytes, content_type: str, status: int, code: str) -> None:
    answer = wine.post(PREDICT, content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_inference_protocol_takes_the_standardized_numbers(wine: Any) -> None:
    tensor = wine.golden.tensors["analysis"]
    sent = {"name": "analysis", "shape": list(tensor.shape), "datatype": "FP32"}
    chunk = json.dumps({"inputs": [{**sent, "parameters": {"binary_data_size": tensor.nbytes}}]}).encode()

    in_json = wine.post(INFER, json={"inputs": [{**sent, "data": tensor.tolist()}]})
    in_binary = wine.post(
        INFER, content=chunk + tensor.tobytes(), headers={"Inference-Header-Content-Length": str(len(chunk))}
    )

    for answer in (in_json, in_binary):
        assert answer.status_code == 200, answer.text
        scores = np.array(answer.json()["outputs"][0]["data"]).reshape(len(tensor), 3)
        np.testing.assert_allclose(scores, wine.golden.outputs["scores"], atol=0.01)
    # No raw items: rows go to the doors for them, standardized by the contract.
    assert set(wine.product.http.get("/v2/models/wine").json()["parameters"]) == {"scores"}


def test_tensorflow_servings_rows_and_columns_and_examples(wine: Any, rows: list[Row]) -> None:
    columns = {name: [row[name] for row in rows] for name in rows[0]}

    in_rows = wine.post(f"{SERVING}:predict", json={"instances": rows})
    in_columns = wine.post(f"{SERVING}:predict", json={"inputs": columns})
    classes = wine.post(f"{SERVING}:classify", json={"examples": rows})

    assert in_rows.status_code == 200, in_rows.text
    assert in_rows.json()["predictions"] == in_columns.json()["outputs"]
    assert [example[0][0] for example in classes.json()["results"]] == wine.labels


def test_an_uploaded_row_gets_its_result_and_an_unusable_one_its_error(wine: Any, rows: list[Row]) -> None:
    product = wine.product

    product.put(f"inbox/{TENANT}/wine/row.json", wine.golden.raw[0])
    product.put(f"inbox/{TENANT}/wine/odd.json", json.dumps(rows[0] | {"alcohol": "much"}).encode())
    product.put(f"inbox/{TENANT}/wine/broken.json", wine.golden.raw[0][:-1])

    result = product.wait_for_json(f"results/{TENANT}/wine/row.json.json")
    odd = product.wait_for_json(f"results/{TENANT}/wine/odd.json.error.json")
    broken = product.wait_for_json(f"results/{TENANT}/wine/broken.json.error.json")
    assert (result["model"], result["label"]) == ("wine", wine.labels[0])
    assert (odd["code"], odd["field"]) == ("column_invalid", "row.alcohol")
    assert (broken["code"], broken["retryable"]) == ("json_invalid", False)


def test_a_version_whose_outputs_are_not_its_golden_ones_is_refused_and_the_one_before_serves_again(
    wine: Any, rows: list[Row]
) -> None:
    golden = wine.golden
    wrong = GoldenVectors(golden.raw, golden.tensors, {name: 1 - array for name, array in golden.outputs.items()})
    contract = msgspec.structs.replace(wine.artifact.contract, name="cellar")
    publisher = Publisher(wine.product.info)
    model = wine.artifact.files[TFLITE_FILE]
    good = publisher.publish_files({TFLITE_FILE: model, GOLDEN_FILE: golden.to_npz()}, contract).ref
    bad = publisher.publish_files({TFLITE_FILE: model, GOLDEN_FILE: wrong.to_npz()}, contract).ref
    publisher.set_label("cellar", LIVE, bad.version)

    refused = wine.post("/models/cellar/predict", json={"rows": rows})
    publisher.set_label("cellar", LIVE, good.version)
    served = wine.product.wait_for_status("/models/cellar/predict", 200, json={"rows": rows})
    by_number = wine.post(f"/models/cellar/versions/{bad.version}/predict", json={"rows": rows})

    for answer in (refused, by_number):
        assert (answer.status_code, answer.json()["code"]) == (503, "model_contract_mismatch")
        assert answer.json()["field"] == "golden.outputs.scores"
    assert labels(served) == wine.labels
    assert served.headers["lambent-model"] == f"cellar@{good.version}"
