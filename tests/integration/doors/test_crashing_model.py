"""A published file that the interpreter does not survive: every door refuses it, and its functions go on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from published import publish_shade

from builders import picture
from lambent.contracts.lines import decode_lines
from lambent_toolkit.modelkit.publishing import Publisher

CRASHING = Path(__file__).parents[2] / "fixtures" / "crashing"
MODEL, TENANT = "crashing", "crashing"
REFUSED = "model_load_failed"
GOOD = 1
LABEL_TTL_S = 3.0


@pytest.fixture(scope="module")
def versions(product: Any) -> dict[str, int]:
    """Publish the good version, then those that crash; the gate, which would have refused them, is not asked."""
    publish_shade(product.info, name=MODEL)
    names = ("dies_when_loaded", "dies_when_called")
    bodies = {name: (CRASHING / f"{name}.tflite").read_bytes() for name in names}
    return {name: publish_shade(product.info, name=MODEL, model=body).version for name, body in bodies.items()}


def go_live(product: Any, version: int) -> None:
    Publisher(product.info).set_label(MODEL, "live", version)
    time.sleep(LABEL_TTL_S)  # by then every function has forgotten where it pointed


def predict(product: Any, version: int) -> Any:
    return product.http.post(
        f"/models/{MODEL}/versions/{version}/predict", content=picture(200), headers={"Content-Type": "image/png"}
    )


@pytest.mark.parametrize("name", ["dies_when_loaded", "dies_when_called"])
def test_every_door_refuses_it_and_serves_the_version_before_from_the_same_processes(
    product: Any, versions: dict[str, int], name: str
) -> None:
    go_live(product, versions[name])

    answers = [predict(product, number) for number in (GOOD, versions[name], GOOD)]
    product.put(f"inbox/{TENANT}/{MODEL}/{name}.png", picture(200))
    error = product.wait_for_json(f"results/{TENANT}/{MODEL}/{name}.png.error.json")
    job_id = name.replace("_", "-")
    manifest = product.put_batch(TENANT, job_id, [picture(200)])
    request = {"schema_version": 1, "id": job_id, "model": MODEL, "lane": "cpu"}
    product.send_batch(json.dumps(request | {"input": {"manifest_uri": manifest}}), tenant=TENANT)
    job = product.wait_for_job(job_id, TENANT)
    go_live(product, GOOD)
    product.put(f"inbox/{TENANT}/{MODEL}/after-{name}.png", picture(200))
    after = product.wait_for_json(f"results/{TENANT}/{MODEL}/after-{name}.png.json")

    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert answers[1].json()["code"] == REFUSED
    assert "SIG" in answers[1].json()["detail"]
    assert answers[2].headers["lambent-cold-start"] == "false"
    assert (error["code"], error["retryable"]) == (REFUSED, False)
    assert (job["state"], job["done"], job["failed"]) == ("FAILED", 0, 1)
    assert [line["code"] for line in decode_lines(product.read(f"jobs/{TENANT}/{job_id}/errors.jsonl"))] == [REFUSED]
    assert after["label"] == "bright"
