"""Files for one row a call, as most of the web has them, published and answering several rows at every door."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import Forced
from lambent.domain.model import LIVE
from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S, wait_for
from tflite_files import edited

PUBLIC = Path(__file__).parents[1] / "fixtures" / "public"
LABELS = ("disc", "frame", "cross")
TENANT = "public"
PIXELS = np.random.default_rng(4).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


PICTURES = [png(each) for each in PIXELS]


@pytest.fixture(
    scope="module",
    params=[("batch_in_reshape", True, 1), ("mixing", False, 1), ("four_rows", True, 4)],
    ids=["a row a call", "no signature", "four rows a call"],
)
def published(request: pytest.FixtureRequest, stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Bring a file in as README says, force it through the gate, and let it be live."""
    name, is_signed, rows_per_call = request.param
    folder = tmp_path_factory.mktemp("public")
    source = folder / "theirs.tflite"
    source.write_bytes(edited((PUBLIC / f"{name}.tflite").read_bytes(), has_signature=is_signed))
    signature = read_model(source).signature
    contract = draft_contract(f"public-{name}", signature, preprocessing="image", labels=LABELS).contract
    import_model(source, contract, folder / "out")
    artifact = Artifact.read(folder / "out")
    failed = open_gate(check_artifact(artifact), is_forced=True)
    publisher = Publisher(stack.info)
    record = publisher.publish(artifact, forced=Forced(by="me", why="a test", failed_checks=failed))
    publisher.set_label(contract.name, LIVE, record.ref.version)
    assert (artifact.contract.rows_per_call, failed) == (rows_per_call, ("report", "quality", "sense"))
    return artifact


@pytest.fixture
def expected(published: Artifact, tmp_path: Path) -> np.ndarray:
    """Return the scores of the pictures, each answered alone."""
    (tmp_path / "model.tflite").write_bytes(published.files["model.tflite"])
    interpreter = LiteInterpreterLoader().load(tmp_path / "model.tflite", published.contract)
    preprocessor = make_preprocessor(published.contract, {})
    [output] = published.contract.outputs
    return np.concatenate(
        [interpreter.run(preprocessor.collate([preprocessor.prepare(each)]))[output.name] for each in PICTURES]
    )


def best(scores: np.ndarray) -> list[str]:
    return [LABELS[place] for place in scores.argmax(axis=1)]


@pytest.fixture
def http(stack: LocalStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.info.url, headers={"x-api-key": stack.info.api_key}, timeout=PATIENCE_S) as client:
        yield client


def test_several_rows_get_at_each_http_door_the_answers_that_each_gets_alone(
    http: httpx.Client, published: Artifact, expected: np.ndarray
) -> None:
    name, [source], [output] = published.contract.name, published.contract.inputs, published.contract.outputs
    tensors = (PIXELS / 255).astype(np.float32)
    encoded = [{"b64": b64encode(each).decode()} for each in PICTURES]
    tensor = {"name": source.name, "datatype": "FP32", "shape": list(tensors.shape), "data": tensors.ravel().tolist()}

    media = http.post(f"/models/{name}/predict", json={"images": encoded})
    oip = http.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})
    tfs = http.post(f"/v1/models/{name}:predict", json={"instances": tensors.tolist()})

    assert (media.status_code, oip.status_code, tfs.status_code) == (200, 200, 200), (media.text, oip.text, tfs.text)
    assert [each["label"] for each in media.json()["predictions"]] == best(expected)
    [answered] = oip.json()["outputs"]
    assert answered["name"] == output.name
    np.testing.assert_allclose(np.reshape(answered["data"], expected.shape), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tfs.json()["predictions"], expected, rtol=1e-4, atol=1e-5)


def test_uploads_and_batches_get_the_same_answers(
    stack: LocalStack, http: httpx.Client, published: Artifact, expected: np.ndarray
) -> None:
    name, s3, bucket = published.contract.name, stack.info.client("s3"), stack.info.buckets["data"]
    items = [{"id": f"{place}", "image": {"b64": b64encode(each).decode()}} for place, each in enumerate(PICTURES)]

    def stored(key: str) -> bytes | None:
        try:
            body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        return body

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = http.get(f"/jobs/{asked['id']}").json()
        return job if job["state"] in {"SUCCEEDED", "PARTIAL", "FAILED"} else None

    s3.put_object(Bucket=bucket, Key=f"inbox/{TENANT}/{name}/0.png", Body=PICTURES[0])
    asked = {
        "schema_version": 1,
        "id": f"of-{name}".replace("_", "-"),
        "model": name,
        "lane": "cpu",
        "input": {"items": items},
    }
    submitted = http.post("/jobs", json=asked)
    assert submitted.is_success, submitted.text
    job = wait_for(ended, what=f"the batch of {name}")
    upload = json.loads(wait_for(lambda: stored(f"results/{TENANT}/{name}/0.png.json"), what="the upload's result"))

    prefix = f"jobs/default/{asked['id']}/part-"  # one page of all jobs of this stack would not hold them
    parts = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    lines = [json.loads(line) for key in parts for line in (stored(key) or b"").splitlines()]
    assert (job["state"], job["total"], job["failed"]) == ("SUCCEEDED", 5, 0), job
    assert [line["label"] for line in sorted(lines, key=lambda line: str(line["id"]))] == best(expected)
    assert upload["label"] == best(expected)[0]
