"""A picture model whose outputs are the answer, at every door for people: the same tensors by name."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from published import shade_contract, shade_files

from builders import picture
from lambent.contracts.lines import decode_lines
from lambent.contracts.model import RawOutputs, TensorPreprocessing
from lambent.domain.model import LIVE
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S, wait_for

NAME = "shade-outputs"
PNG = {"content-type": "image/png"}
ITEMS = [picture(0), picture(200)]
INLINE = [{"id": f"i{place}", "image": {"b64": b64encode(item).decode()}} for place, item in enumerate(ITEMS)]


@pytest.fixture(scope="module")
def http(stack: LocalStack) -> httpx.Client:
    """Publish the model, and return who asks it."""
    publish(stack, NAME, postprocessing=RawOutputs())
    return httpx.Client(base_url=stack.info.url, headers={"x-api-key": stack.info.api_key}, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def outputs(http: httpx.Client) -> list[list[dict[str, Any]]]:
    """Return what the tensor door answers to each picture, in the form of the doors for people."""
    tensor = {"name": "image", "datatype": "BYTES", "shape": [2], "data": [each["image"]["b64"] for each in INLINE]}
    answer = http.post(f"/v2/models/{NAME}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    (scores,) = answer.json()["outputs"]
    rows = [scores["data"][:2], scores["data"][2:]]
    return [[{"name": "scores", "datatype": "FP32", "shape": [2], "data": row}] for row in rows]


def publish(stack: LocalStack, name: str, **changes: object) -> None:
    declared = msgspec.structs.replace(shade_contract(name), **changes)
    publisher = Publisher(stack.info)
    ref = publisher.publish_files(shade_files(declared), declared).ref
    publisher.set_label(name, LIVE, ref.version)


def answered(http: httpx.Client, path: str) -> httpx.Response:
    """Return the answer under a path once there is one."""
    return wait_for(lambda: found if (found := http.get(path)).status_code == 200 else None, what=path)


def test_the_media_door_answers_with_the_outputs_at_once_and_later(http: httpx.Client, outputs: Any) -> None:
    now = http.post(f"/models/{NAME}/predict", content=ITEMS[1], headers=PNG)
    later = http.post(f"/models/{NAME}/predict", content=ITEMS[1], headers=PNG | {"Prefer": "respond-async"})
    kept = answered(http, f"/jobs/{later.json()['id']}/result")

    assert now.json()["predictions"] == [{"outputs": outputs[1]}]
    assert kept.json()["predictions"] == now.json()["predictions"]


def test_an_upload_ends_in_the_same_outputs(stack: LocalStack, http: httpx.Client, outputs: Any) -> None:
    s3, bucket, name = stack.info.client("s3"), stack.info.buckets["data"], f"{uuid4().hex}.png"
    key = f"results/outputs/{NAME}/{name}.json"
    s3.put_object(Bucket=bucket, Key=f"inbox/outputs/{NAME}/{name}", Body=ITEMS[0])

    wait_for(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"], what=key)
    result = msgspec.json.decode(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    assert result["outputs"] == outputs[0]


def test_a_batch_ends_in_the_same_outputs_a_line_each(http: httpx.Client, outputs: Any) -> None:
    job = {"schema_version": 1, "id": uuid4().hex, "model": NAME, "lane": "cpu", "input": {"items": INLINE}}
    assert http.post("/jobs", json=job).status_code == 202
    path = f"/jobs/{job['id']}"

    wait_for(lambda: http.get(path).json()["state"] == "SUCCEEDED", what=path)
    (part,) = http.get(f"{path}/results", headers={"Accept": "application/json"}).json()["parts"]
    lines = decode_lines(httpx.get(part["url"], timeout=PATIENCE_S).content)

    assert [line["outputs"] for line in lines] == outputs


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_batch_for_a_model_of_tensors_is_refused_at_the_door(
    stack: LocalStack, http: httpx.Client, query: str
) -> None:
    name = f"{NAME}-tensors"
    publish(stack, name, postprocessing=RawOutputs(), preprocessing=TensorPreprocessing())
    job = {
        "schema_version": 1,
        "id": uuid4().hex,
        "model": name,
        "input": {"items": [{"id": "a", "text": "no tensor"}]},
    }

    refused = http.post(f"/jobs{query}", json=job)

    assert (refused.status_code, refused.json()["code"]) == (415, "media_type_unsupported")
    assert "tensors only" in refused.json()["detail"]
