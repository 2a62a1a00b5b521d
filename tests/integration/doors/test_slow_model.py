"""A model that takes longer than its door, on the stack: its environment answers, and works on to the job's answer."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

from published import publish_shade

from builders import picture
from lambent.domain.job_states import JobState
from lambent_toolkit.modelkit.publishing import Publisher
from patience import wait_for

SLOW = Path(__file__).parents[2] / "fixtures" / "slow" / "slow.tflite"
MODEL = "slow-at-the-door"
GREY = picture(128)
WAITED_MS = 27_000


def invoke(product: Any, content: bytes, *, waited_ms: int) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Send a request that API Gateway took some time ago; return status, body and headers."""
    path = f"/models/{MODEL}/predict"
    event = {
        "resource": "/models/{model}/predict",
        "path": path,
        "httpMethod": "POST",
        "headers": {"Content-Type": "image/png"},
        "queryStringParameters": {"top_k": "2"},
        "pathParameters": {"model": MODEL},
        "requestContext": {
            "requestId": "slow",
            "path": f"/dev{path}",
            "requestTimeEpoch": int(time.time() * 1000) - waited_ms,
            "identity": {"apiKeyId": product.info.api_key_id},
        },
        "body": b64encode(content).decode(),
        "isBase64Encoded": True,
    }
    told = product.info.client("lambda").invoke(
        FunctionName=product.info.functions["predict"], Payload=json.dumps(event).encode()
    )
    answer = json.loads(told["Payload"].read())
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    return answer["statusCode"], json.loads(answer["body"]), headers


def kept(product: Any, job_id: str) -> list[dict[str, Any]]:
    """Return what PredictFunction has logged of the job's outcome."""
    lines = (Path(product.info.logs) / "predict.log").read_text(errors="replace").splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{") and job_id in line]
    return [record for record in records if record["message"] == "kept"]


def ended(product: Any, job_id: str) -> dict[str, Any] | None:
    job = product.http.get(f"/jobs/{job_id}").json()
    return job if JobState(job["state"]).is_terminal else None


def test_it_is_answered_by_a_job_whose_answer_the_same_environment_computes(product: Any) -> None:
    publish_shade(product.info, name=MODEL, model=SLOW.read_bytes())
    Publisher(product.info).set_label(MODEL, "live", 1)
    loaded = invoke(product, picture(255), waited_ms=0)

    status, accepted, headers = invoke(product, GREY, waited_ms=WAITED_MS)
    job = wait_for(lambda: ended(product, accepted["id"]), what="the end of the job")
    (record,) = wait_for(lambda: kept(product, accepted["id"]), what="the record of the kept answer")
    answer = product.http.get(f"/jobs/{accepted['id']}/result")

    assert loaded[0] == 200
    assert (status, headers["Location"]) == (202, f"/dev/jobs/{accepted['id']}")
    assert headers["Retry-After"].isdigit()
    assert (job["state"], job["done"]) == ("SUCCEEDED", 1)
    assert record["job_id"] == accepted["id"]
    assert answer.status_code == 200
    bright = next(each["score"] for each in answer.json()["predictions"][0]["top"] if each["label"] == "bright")
    assert abs(bright - 128 / 255) < 0.01
