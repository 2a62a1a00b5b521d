"""Texts over the tensor protocols: a BYTES input, strings in rows and examples, or the model's own token ids."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from lambent.contracts.tensor_binary import byte_strings, join_byte_strings

INFER = "/v2/models/language/infer"
SERVING = "/v1/models/language"
LENGTH = "Inference-Header-Content-Length"


def raw_input(count: int, **more: object) -> dict[str, object]:
    return {"name": "text", "shape": [count], "datatype": "BYTES", **more}


def best_labels(strings: list[str]) -> list[str]:
    return [string.split(":")[2] for string in strings]


def test_metadata_tell_the_token_inputs_and_the_raw_one(language: Any) -> None:
    metadata = language.product.http.get("/v2/models/language").json()

    assert metadata["inputs"] == [{"name": name, "datatype": "INT32", "shape": [-1, 48]} for name in ("ids", "mask")]
    assert metadata["parameters"]["raw_inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_texts_and_their_tokens_get_the_same_scores(language: Any) -> None:
    golden = language.golden.first(5)
    texts = [item.decode() for item in golden.raw]
    tokens = [
        {"name": name, "shape": list(array.shape), "datatype": "INT32", "data": array.ravel().tolist()}
        for name, array in golden.tensors.items()
    ]

    raw = language.post(INFER, json={"inputs": [raw_input(5, data=texts)]})
    tokenized = language.post(INFER, json={"inputs": tokens})

    assert raw.status_code == tokenized.status_code == 200, raw.text + tokenized.text
    assert raw.json()["outputs"] == tokenized.json()["outputs"]
    scores = np.array(raw.json()["outputs"][0]["data"]).reshape(5, -1)
    np.testing.assert_allclose(scores, golden.outputs["scores"], atol=0.01)


def test_best_classes_of_texts_in_json_and_binary(language: Any) -> None:
    texts = language.golden.raw[:3]
    chunk = join_byte_strings(texts)
    wanted = {"name": "scores", "parameters": {"classification": 1}}
    binary_wanted = {"name": "scores", "parameters": {"classification": 1, "binary_data": True}}
    header = json.dumps(
        {"inputs": [raw_input(3, parameters={"binary_data_size": len(chunk)})], "outputs": [binary_wanted]}
    ).encode()

    in_json = language.post(
        INFER, json={"inputs": [raw_input(3, data=[text.decode() for text in texts])], "outputs": [wanted]}
    )
    in_binary = language.post(INFER, content=header + chunk, headers={LENGTH: str(len(header))})

    (output,) = in_json.json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [3, 1])
    assert best_labels(output["data"]) == language.labels[:3]
    data = in_binary.content[int(in_binary.headers[LENGTH]) :]
    strings = [each.decode() for each in byte_strings(memoryview(data), count=3, field="outputs")]
    assert strings == output["data"]


@pytest.mark.parametrize(
    ("tensor", "code", "field"),
    [
        (raw_input(2, data=["Freitag", ""]), "text_invalid", "inputs[0].data[1]"),
        (raw_input(1, data=["a\x07"]), "text_invalid", "inputs[0].data[0]"),
        (raw_input(1, data=[7]), "tensor_dtype_mismatch", "inputs[0].data"),
        (raw_input(2, data=["Freitag"]), "tensor_shape_mismatch", "inputs[0].data"),
        (raw_input(1, data=["Freitag"]) | {"name": "image"}, "tensor_name_unknown", "inputs[0].name"),
    ],
)
def test_a_bad_text_tensor_is_refused_where_it_is_bad(
    language: Any, tensor: dict[str, object], code: str, field: str
) -> None:
    answer = language.post(INFER, json={"inputs": [tensor]})

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["field"].startswith(field)


def test_tensorflow_servings_rows_and_columns_and_examples_of_texts(language: Any) -> None:
    texts = [item.decode() for item in language.golden.raw[:4]]
    encoded = [{"b64": base64.b64encode(text.encode()).decode()} for text in texts]

    rows = language.post(f"{SERVING}:predict", json={"instances": texts})
    same = [
        language.post(f"{SERVING}:predict", json={"instances": encoded}).json()["predictions"],
        language.post(f"{SERVING}:predict", json={"instances": [{"text": text} for text in texts]}).json()[
            "predictions"
        ],
        language.post(f"{SERVING}:predict", json={"inputs": texts}).json()["outputs"],
        language.post(f"{SERVING}:predict", json={"inputs": {"text": texts}}).json()["outputs"],
    ]
    classes = language.post(f"{SERVING}:classify", json={"examples": [{"text": text} for text in texts]})

    assert rows.status_code == 200, rows.text
    assert all(each == rows.json()["predictions"] for each in same)
    assert [example[0][0] for example in classes.json()["results"]] == language.labels[:4]
