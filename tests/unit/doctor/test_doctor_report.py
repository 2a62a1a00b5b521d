"""The report tells all that was found, and nothing that opens anything or says who somebody is."""

import json
from pathlib import Path

import pytest

from lambent_toolkit.doctor import Finding, Result, Status, examine
from lambent_toolkit.doctor.report import exit_code, report, write_report
from lambent_toolkit.stacks.errors import RightMissing
from unit.doctor.http_door import KEY
from unit.doctor.well_stack import ACCOUNT, WellStack

AT = "2026-11-29T00:00:00.000Z"
SECRETS = {
    "the stack's key": KEY,
    "an account": ACCOUNT,
    "an account in an ARN": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:shop",
    "an account in an address": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/x",
    "an access key": "AKIAIOSFODNN7EXAMPLE",
    "a session's access key": "ASIAIOSFODNN7EXAMPLE",
    "an address": "ada.lovelace+aws@shop.example",
    "a webhook secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "a signature": "https://x.s3.amazonaws.com/k?X-Amz-Credential=AKIDEXAMPLE%2F20261129&X-Amz-Signature=fe5f80f77d5fa3beca0",
}


def result(told: str, status: Status = Status.FAILED) -> Result:
    return Result("a-check", "a group", Finding(status, told, f"do {told}"), took_s=0.1234)


@pytest.mark.parametrize("secret", SECRETS.values(), ids=list(SECRETS))
def test_a_secret_is_taken_out_wherever_it_stands(well: WellStack, secret: str) -> None:
    written = json.dumps(report(well.patient(), [result(f"AWS refused {secret}: no")], at=AT))

    for word in (KEY, ACCOUNT, "IOSFODNN7EXAMPLE", "lovelace", "C2FVsBQ", "AKIDEXAMPLE", "fe5f80"):
        assert word not in written
    assert "AWS refused" in written


def test_all_that_was_found_is_told_with_its_time_and_the_versions(well: WellStack, tmp_path: Path) -> None:
    patient = well.patient()
    results = examine(patient)

    write_report(tmp_path / "report.json", report(patient, results, at=AT))

    read = json.loads((tmp_path / "report.json").read_text())
    assert [each["name"] for each in read["checks"]] == [each.name for each in results]
    assert read["counts"] == {"ok": len(results), "warning": 0, "failed": 0, "unknown": 0, "skipped": 0}
    assert set(read["made_by"]) == {"lambent", "boto3", "python", "system", "machine"}
    assert read["at"] == AT
    assert report(patient, [result("x")], at=AT)["checks"][0]["took_ms"] == 123


def test_parameters_that_say_who_somebody_is_stay_untold(well: WellStack) -> None:
    told = report(well.patient(), [], at=AT)["stack"]

    assert told["parameters"]["PythonVersion"] == "python3.12"
    assert told["parameters"]["QueueConcurrency"] == "10"
    assert not {"AlarmEmail", "AllowedOrigins", "WorkerImageUri"} & set(told["parameters"])
    assert "name" not in told


def test_who_may_not_read_key_and_parameters_gets_a_report_all_the_same(
    well: WellStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> str:
        raise RightMissing("no")

    monkeypatch.setattr(WellStack, "api_key", property(refuse))
    well.told["cloudformation"].answers["describe_stacks"] = RightMissing("no")

    found = report(well.patient(), [result("x")], at=AT)

    assert found["stack"]["parameters"] is None
    assert found["checks"][0]["told"] == "x"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        ([Status.OK, Status.WARNING, Status.SKIPPED], 0),
        ([Status.OK, Status.UNKNOWN], 161),
        ([Status.UNKNOWN, Status.FAILED], 160),
    ],
)
def test_the_exit_code_tells_failed_from_could_not_look(statuses: list[Status], code: int) -> None:
    assert exit_code([result("x", status) for status in statuses]) == code
