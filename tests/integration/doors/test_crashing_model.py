"""A published file that the interpreter does not survive: every door refuses it, and its functions go on."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from published import publish_shade

from builders import picture
from lambent.contracts.lines import decode_lines
from lambent_toolkit.modelkit.publishing import Publisher
from patience import wait_for

CRASHING = Path(__file__).parents[2] / "fixtures" / "crashing"
FUNCTIONS = ("predict", "preprocess", "dispatch", "infer")
# What Lambda writes when a process ends in the midst of an event, or before its first one.
DIED = ("Runtime.ExitError", "INIT_REPORT")
TENANT = "crashing"
REFUSED = "model_load_failed"
GOOD, BAD = 1, 2


def publish(product: Any, name: str) -> str:
    """Publish the good version and the one that crashes, which goes live; the gate, which refuses it, is not asked.

    Each has a model of its own: no function remembers where the label pointed before.
    """
    model = name.replace("_", "-")
    publish_shade(product.info, name=model)
    publish_shade(product.info, name=model, model=(CRASHING / f"{name}.tflite").read_bytes())
    Publisher(product.info).set_label(model, "live", BAD)
    return model


def predict(product: Any, model: str, version: int) -> Any:
    return product.http.post(
        f"/models/{model}/versions/{version}/predict", content=picture(200), headers={"Content-Type": "image/png"}
    )


def upload_again(product: Any, model: str) -> dict[str, Any]:
    """Upload until a function no longer remembers the label as it was; return the result."""
    numbers = count()

    def result() -> bytes | None:
        key = f"{TENANT}/{model}/after-{next(numbers)}.png"
        product.put(f"inbox/{key}", picture(200))
        outcomes = [f"results/{key}.json", f"results/{key}.error.json"]
        wait_for(lambda: [each for each in outcomes if product.read(each)], what=f"the outcome of {key}")
        return product.read(outcomes[0])

    return json.loads(wait_for(result, what="a result of the good version"))


def deaths(product: Any) -> list[str]:
    """Return what has been logged so far of processes that ended in the midst of their work."""
    logs = [Path(product.info.logs) / f"{function}.log" for function in FUNCTIONS]
    lines = [line for log in logs if log.exists() for line in log.read_text(errors="replace").splitlines()]
    return [line for line in lines if any(mark in line for mark in DIED)]


@pytest.mark.parametrize("name", ["dies_when_loaded", "dies_when_called"])
def test_every_door_refuses_it_and_serves_the_version_before_from_the_same_processes(product: Any, name: str) -> None:
    model = job_id = publish(product, name)
    died_before = deaths(product)

    answers = [predict(product, model, number) for number in (GOOD, BAD, GOOD)]
    product.put(f"inbox/{TENANT}/{model}/{name}.png", picture(200))
    error = product.wait_for_json(f"results/{TENANT}/{model}/{name}.png.error.json")
    manifest = product.put_batch(TENANT, job_id, [picture(200)])
    request = {"schema_version": 1, "id": job_id, "model": model, "lane": "cpu"}
    product.send_batch(json.dumps(request | {"input": {"manifest_uri": manifest}}), tenant=TENANT)
    job = product.wait_for_job(job_id, TENANT)
    Publisher(product.info).set_label(model, "live", GOOD)
    after = upload_again(product, model)

    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert answers[1].json()["code"] == REFUSED
    assert "SIG" in answers[1].json()["detail"]
    assert deaths(product) == died_before
    assert (error["code"], error["retryable"]) == (REFUSED, False)
    assert (job["state"], job["done"], job["failed"]) == ("FAILED", 0, 1)
    assert [line["code"] for line in decode_lines(product.read(f"jobs/{TENANT}/{job_id}/errors.jsonl"))] == [REFUSED]
    assert after["label"] == "bright"
