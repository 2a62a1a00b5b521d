"""What a deployed stack promises, from a published model to three doors, a canary and back."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from lambent.domain.model import GOLDEN_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.cli.main import app
from lambent_toolkit.demo import archive, batch, card, doors, refusals, rollout
from lambent_toolkit.demo.stage import Stage
from lambent_toolkit.modelkit.publishing import Publisher

PNG = {"content-type": "image/png"}
LIMIT_S = 60


def picture(stage: Stage) -> bytes:
    return GoldenVectors.from_npz(stage.model.files[GOLDEN_FILE]).raw[0]


def answered(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def at_once(stage: Stage) -> dict[str, Any]:
    sent = stage.http.post(f"/models/{stage.model_name}/predict", content=picture(stage), headers=PNG)
    prediction: dict[str, Any] = answered(sent)["predictions"][0]
    return prediction


def test_stack_is_alive_ready_and_lists_the_model(stage: Stage) -> None:
    alive, ready = stage.http.get("/v2/health/live"), stage.http.get("/v2/health/ready")
    models = answered(stage.http.get("/models"))["models"]

    assert (alive.status_code, ready.status_code) == (200, 200)
    assert stage.model_name in models


def test_call_without_a_key_is_refused_with_the_code(stage: Stage) -> None:
    refused = httpx.get(f"{stage.stack.url}/models", timeout=LIMIT_S)

    assert answered(refused, 401)["code"] == "auth_invalid"


def test_door_1_answers_pictures_and_tensors(stage: Stage) -> None:
    doors.predict_over_http(stage)


def test_door_1_answers_in_tensorflow_serving_s_words(stage: Stage) -> None:
    instances = [{"b64": b64encode(picture(stage)).decode()}]

    scores = answered(stage.http.post(f"/v1/models/{stage.model_name}:predict", json={"instances": instances}))[
        "predictions"
    ][0]

    assert str(scores.index(max(scores))) == at_once(stage)["label"]


def test_door_1_answers_later_what_it_answers_at_once(stage: Stage) -> None:
    path = f"/models/{stage.model_name}/predict"

    accepted = stage.http.post(path, content=picture(stage), headers=PNG | {"prefer": "respond-async"})
    job_id = answered(accepted, 202)["id"]
    job = batch.watch_job(stage, job_id, total=1)
    later = stage.http.get(f"/jobs/{job_id}/result", follow_redirects=True)

    assert job["state"] == "SUCCEEDED"
    assert answered(later)["predictions"][0] == at_once(stage)


def test_door_2_answers_uploads(stage: Stage) -> None:
    doors.predict_uploads(stage)


def test_door_2_grants_an_upload_and_tells_its_outcome(stage: Stage) -> None:
    body = picture(stage)
    wanted = {"model": stage.model_name, "content_type": "image/png", "sha256": sha256(body).hexdigest()}

    granted = answered(stage.http.post("/uploads", json=wanted), 201)
    form = granted["upload"]
    sent = httpx.post(form["url"], data=form["fields"], files={form["file_field"]: ("blob", body)}, timeout=LIMIT_S)
    outcome = stage.wait_for(
        lambda: shown if (shown := stage.http.get(granted["then"]["path"]).json())["state"] != "pending" else None,
        what="the outcome of the upload",
        limit_s=LIMIT_S,
    )

    # A redirect would be no success: the form's address is the one that takes it.
    assert sent.is_success, sent.text
    assert (outcome["state"], outcome["result"]["label"]) == ("done", at_once(stage)["label"])


def test_door_2_takes_an_archive_for_a_batch_and_retries_what_failed(stage: Stage) -> None:
    archive.predict_archive(stage)


def test_door_3_runs_a_batch_on_the_cpu_lane(stage: Stage) -> None:
    batch.predict_batch(stage, "cpu")


def test_door_3_runs_a_batch_on_the_gpu_lane(stage: Stage) -> None:
    if "BatchJobQueue" not in stage.stack.resources:
        pytest.skip("this stack was deployed without the GPU lane")

    batch.predict_batch(stage, "gpu")


def test_each_door_refuses_bad_input_with_its_code(stage: Stage) -> None:
    refusals.refuse(stage)


def test_jobs_are_listed_and_an_unknown_one_is_a_coded_404(stage: Stage) -> None:
    request = {"schema_version": 1, "id": f"{stage.run}-listed", "model": stage.model_name, "lane": "cpu"}
    uri = stage.put(f"inputs/{stage.tenant}/{stage.model_name}/one.png", picture(stage))
    manifest = stage.put(
        f"inputs/{stage.tenant}/{stage.model_name}/one.jsonl", json.dumps({"id": "one", "uri": uri}).encode()
    )

    answered(stage.http.post("/jobs", json={**request, "input": {"manifest_uri": manifest}}), 202)
    batch.watch_job(stage, request["id"], total=1)
    listed = answered(stage.http.get("/jobs", params={"limit": 100}))["jobs"]
    missing = answered(stage.http.get(f"/jobs/{stage.run}-missing"), 404)

    assert request["id"] in [each["id"] for each in listed]
    assert missing["code"] == "job_not_found"


def test_webhook_secret_is_shown_to_its_tenant(stage: Stage) -> None:
    assert answered(stage.http.get("/webhooks/secret"))["secret"].startswith("whsec_")


def test_canary_is_sticky_is_promoted_and_rolled_back(stage: Stage) -> None:
    rollout.roll_out(stage)


def test_verbs_find_the_stack_by_its_name(stage: Stage, stack_name: str, pytestconfig: pytest.Config) -> None:
    chosen = ["--stack", stack_name]
    for option in ("--region", "--profile"):
        if value := pytestconfig.getoption(option):
            chosen += [option, value]

    third = Publisher(stage.stack).publish(stage.model).ref
    shown = CliRunner().invoke(app, ["models", *chosen])
    retired = CliRunner().invoke(app, ["retire", stage.model_name, str(third.version), *chosen])

    assert (shown.exit_code, retired.exit_code) == (0, 0), shown.output + retired.output
    assert stage.model_name in shown.output
    assert f"{third} is retired" in retired.output


def test_card_of_what_is_live_is_given_as_it_was_measured(stage: Stage) -> None:
    (stage.folder / "card.md").write_bytes(stage.model.files["card.md"])

    card.show_card(stage)
