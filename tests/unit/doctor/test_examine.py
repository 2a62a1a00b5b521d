"""What is no pass: a check that could not look, or had nothing to look at; what a local stack is not asked."""

from pathlib import Path

import httpx
import pytest

from lambent_toolkit.doctor import Result, Status, examine
from lambent_toolkit.doctor.registry import Check, all_checks
from unit.doctor.aws_answers import Refusing, refusal
from unit.doctor.well_stack import WellStack

AWS_ONLY = [each for each in all_checks() if each.aws_only]


def of(results: list[Result], name: str) -> Result:
    return next(each for each in results if each.name == name)


@pytest.mark.parametrize(
    ("check", "service", "operation"),
    [
        ("dead-letters", "sqs", "get_queue_attributes"),
        ("labels-lead-somewhere", "dynamodb", "query"),
        ("versions-verified", "s3", "get_object"),
        ("alarms-quiet", "cloudwatch", "get_paginator"),
        ("keys-have-tenants", "apigateway", "get_paginator"),
        ("upload-trigger", "s3", "get_bucket_notification_configuration"),
    ],
)
def test_what_these_credentials_may_not_see_is_unknown(
    well: WellStack, check: str, service: str, operation: str
) -> None:
    well.watched[service] = Refusing(well.client(service), operation)

    finding = of(examine(well.patient(), only=[check]), check).finding

    assert finding.status is Status.UNKNOWN
    assert "AWS refused" in finding.told
    assert "credentials that may look" in finding.mend


def test_one_check_that_cannot_look_ends_none_of_the_others(well: WellStack) -> None:
    well.told["lambda"].answers["get_account_settings"] = refusal("AccessDeniedException")

    results = examine(well.patient())

    assert [each.name for each in results if each.finding.status is Status.UNKNOWN] == ["lambda-concurrency"]
    assert "credentials that may look" in of(results, "lambda-concurrency").finding.mend
    assert len(results) == len(all_checks())


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"[1]", b"{}", b"null"])
def test_a_door_that_speaks_another_language_ends_no_check_up(well: WellStack, body: bytes) -> None:
    for method in ("GET", "POST", "OPTIONS", "DELETE"):
        well.door.faults.append((method, "execute-api", lambda _: httpx.Response(200, content=body)))

    results = examine(well.patient())

    assert len(results) == len(all_checks())
    assert of(results, "http-round-trip").finding.status in {Status.FAILED, Status.UNKNOWN}


def test_a_door_that_nobody_opens_fails_what_goes_through_it_and_nothing_else(well: WellStack) -> None:
    def act(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    for method in ("GET", "POST", "OPTIONS"):
        well.door.faults.append((method, "execute-api", act))

    groups = {each.group for each in examine(well.patient()) if each.finding.status is Status.FAILED}
    told = of(examine(well.patient(), only=["api-reachable"]), "api-reachable").finding.told

    assert groups == {"account", "API", "models", "doors"}
    assert told == "id.execute-api.eu-west-1.amazonaws.com did not answer: Connection refused"


def test_nothing_asks_the_function_that_predicts_before_its_first_answer_is_timed(well: WellStack) -> None:
    asked: list[str] = []
    answer = well.door.answer
    well.door.answer = lambda request: asked.append(request.url.path) or answer(request)  # type: ignore[method-assign]

    examine(well.patient(), only=["account", "deployment", "API"])

    predicting = [path for path in asked if path.startswith(("/dev/v", "/dev/models/"))]
    assert predicting[0] == "/dev/models/shade/versions/1/predict"


@pytest.mark.parametrize(
    "told", [("*", "*"), ("https://shop.example", "content-type, X-Api-Key"), ("https://shop.example", "*")]
)
def test_a_preflight_may_allow_all_or_what_is_needed(well: WellStack, told: tuple[str, str]) -> None:
    names = ("Access-Control-Allow-Origin", "Access-Control-Allow-Headers")
    allowed = dict(zip(names, told, strict=True))
    well.door.faults.append(("OPTIONS", "/uploads", lambda _: httpx.Response(200, headers=allowed)))

    assert of(examine(well.patient(), only=["pages-allowed"]), "pages-allowed").finding.status is Status.OK


def test_only_the_checks_and_groups_that_are_named_are_made(well: WellStack) -> None:
    results = examine(well.patient(), only=["clock", "GPU lane"])

    assert [each.name for each in results] == ["clock", "worker-image", "compute-environment", "job-queue"]


@pytest.mark.parametrize("check", AWS_ONLY, ids=lambda check: check.name)
def test_a_local_stack_is_not_asked_what_has_no_meaning_there(check: Check, well: WellStack) -> None:
    well.is_local = True
    well.told.clear()  # whoever looks all the same gets moto's answer

    finding = of(examine(well.patient(), only=[check.name]), check.name).finding

    assert (finding.status, finding.told) == (Status.SKIPPED, f"a local stack: {check.aws_only}")


def test_refusals_stand_in_a_local_stacks_log_files(well: WellStack, tmp_path: Path) -> None:
    well.is_local = True
    well.facts = lambda: {"logs": str(tmp_path)}  # type: ignore[method-assign]
    (tmp_path / "infer.log").write_text("fine\nAn error occurred (AccessDenied) when calling PutObject\n")
    (tmp_path / "predict.log").write_text("fine\n")

    finding = of(examine(well.patient(), only=["rights"]), "rights").finding

    assert (finding.status, finding.told) == (Status.FAILED, "AWS refused calls in the last hour: infer 1")


def test_without_a_gpu_lane_and_without_a_word_about_it_nothing_of_it_is_asked(well: WellStack) -> None:
    patient = well.patient()
    patient.is_gpu = False
    asked = of(examine(patient, only=["gpu-round-trip"]), "gpu-round-trip").finding
    del well.resources["BatchJobQueue"]

    statuses = {each.name: each.finding.status for each in examine(well.patient())}

    assert (asked.status, "--gpu" in asked.told) == (Status.SKIPPED, True)
    skipped = {name for name, status in statuses.items() if status is Status.SKIPPED}
    lane = {"worker-image", "compute-environment", "job-queue", "gpu-round-trip"}
    assert skipped == lane | {"gpu-quota", "gpu-instance-types", "gpu-zones"}


def test_what_was_put_into_the_data_bucket_is_taken_away(well: WellStack) -> None:
    examine(well.patient(), only=["doors"])

    found = well.moto("s3").list_objects_v2(Bucket=well.buckets["data"]).get("Contents", [])
    kept = {each["Key"].split("/")[0] for each in found}
    assert kept == {"jobs"}, "records of jobs say that their files are there"


def test_what_may_not_be_taken_away_is_told(well: WellStack) -> None:
    well.watched["s3"] = Refusing(well.watched["s3"], "delete_object")

    finding = of(examine(well.patient(), only=["upload-round-trip"]), "upload-round-trip").finding

    assert finding.status is Status.OK
    assert "stays until it expires" in finding.told
