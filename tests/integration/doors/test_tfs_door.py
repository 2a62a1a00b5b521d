"""Door 1 in TensorFlow Serving's words, over the wire: its guide's calls, as curl sends them, on the digits model."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.recipes import digits

# What curl -d says unless it is told otherwise.
CURL = {"Content-Type": "application/x-www-form-urlencoded"}
MODEL = "/v1/models/digits"


def call(product: Any, path: str, **fields: object) -> Any:
    return product.http.post(f"{MODEL}{path}", content=json.dumps(fields), headers=CURL)


def picture(png: bytes) -> dict[str, str]:
    return {"b64": b64encode(png).decode()}


def row(png: bytes) -> list:
    return make_preprocessor(digits.CONTRACT, {}).prepare(png)["image"].tolist()


def best(scores: list[float]) -> str:
    return str(scores.index(max(scores)))


def test_rows_columns_and_pictures_of_the_same_digits_get_the_same_scores(product: Any) -> None:
    pngs = [png for png, _ in product.pictures[:8]]

    rows = call(product, ":predict", signature_name="serving_default", instances=[row(png) for png in pngs])
    columns = call(product, ":predict", inputs={"image": [row(png) for png in pngs]})
    pictures = call(product, ":predict", instances=[picture(png) for png in pngs])

    predictions = rows.json()["predictions"]
    assert rows.status_code == 200
    assert rows.headers["content-type"] == "application/json"
    assert list(rows.json()) == ["predictions"]
    assert columns.json() == {"outputs": predictions}
    assert pictures.json() == {"predictions": predictions}
    assert [best(scores) for scores in predictions] == product.told[:8]


def test_examples_get_classes_best_first(product: Any) -> None:
    answer = call(product, ":classify", examples=[{"image": picture(product.seven)}])

    (classes,) = answer.json()["results"]
    assert classes[0][0] == "7"
    assert sorted(label for label, _ in classes) == [str(digit) for digit in range(10)]
    assert [score for _, score in classes] == sorted((score for _, score in classes), reverse=True)


def test_nan_is_a_number_here(product: Any) -> None:
    body = json.dumps({"instances": [row(product.seven)]}).replace("0.0", "NaN", 1)

    answer = product.http.post(f"{MODEL}:predict", content=body, headers=CURL)

    assert "NaN" in body
    assert answer.status_code == 200


def test_versions_and_labels_choose_and_the_status_tells_them(product: Any) -> None:
    status = product.http.get(MODEL).json()
    version = max(int(each["version"]) for each in status["model_version_status"])

    by_version = call(product, f"/versions/{version}:predict", instances=[row(product.seven)])
    by_label = call(product, "/labels/live:predict", instances=[row(product.seven)])

    assert (status["name"], status["ready"]) == ("digits", True)
    assert {each["state"] for each in status["model_version_status"]} == {"AVAILABLE"}
    assert by_version.json() == by_label.json()
    assert product.http.get(f"{MODEL}/versions/{version}").json()["model_version_status"][0]["version"] == str(version)


def test_metadata_and_models(product: Any) -> None:
    metadata = product.http.get(f"{MODEL}/metadata").json()

    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert metadata["model_spec"]["name"] == "digits"
    assert signature["inputs"]["image"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in signature["inputs"]["image"]["tensor_shape"]["dim"]] == ["-1", "28", "28", "1"]
    assert "digits" in product.http.get("/v1/models").json()["models"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/models/half:predict", '{"instances": [1.0, 5.0]}', 404, "model_not_found"),
        ("/v1/models/digits/versions/999:predict", '{"instances": [1.0]}', 404, "model_not_found"),
        ("/v1/models/digits/versions/1/labels/live:predict", '{"instances": [1.0]}', 400, "request_malformed"),
        ("/v1/models/digits:explain", '{"instances": [1.0]}', 404, "route_not_found"),
        ("/v1/models/digits:predict", '{"instances": [1.0]', 400, "json_invalid"),
        ("/v1/models/digits:predict", '{"instances": [1.0]}', 422, "tensor_shape_mismatch"),
        ("/v1/models/digits:predict", '{"instances": ["seven"]}', 422, "tensor_dtype_mismatch"),
        ("/v1/models/digits:predict", '{"instances": [{"b64": "R0lGODlh"}]}', 415, "image_format_unsupported"),
        ("/v1/models/digits:predict", "{}", 422, "request_invalid"),
        ("/v1/models/digits:regress", '{"examples": [{"image": 1}]}', 422, "request_invalid"),
    ],
)
def test_refusals_are_an_error_text_and_lambents_fields(
    product: Any, path: str, body: str, status: int, code: str
) -> None:
    answer = product.http.post(path, content=body, headers=CURL)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json()["error"], str)
