"""AWS Batch of the local stack: arrays, retries, timeouts, terminations, dependencies, events."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lambent_toolkit.sandbox import LocalStack
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD
from patience import PATIENCE_S, wait_for


def submit(stack: LocalStack, what: str, **options: Any) -> str:
    return stack.client("batch").submit_job(
        jobName=f"job-{what}",
        jobQueue=stack.info.resources["JobQueue"],
        jobDefinition=stack.info.resources["JobDefinition"],
        parameters={"what": what},
        **options,
    )["jobId"]


def describe(stack: LocalStack, job_id: str) -> dict[str, Any]:
    return stack.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]


def wait_until(stack: LocalStack, job_id: str, *statuses: str) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        job = describe(stack, job_id)
        return job if job["status"] in statuses else None

    return wait_for(reached, what=f"{' or '.join(statuses)} of {job_id}")


def finished(stack: LocalStack, job_id: str) -> dict[str, Any]:
    return wait_until(stack, job_id, "SUCCEEDED", "FAILED")


def output(stack: LocalStack, job: dict[str, Any], attempt: int = 0) -> str:
    stream = job["attempts"][attempt]["container"]["logStreamName"]
    log = Path(stack.info.logs) / f"{stream}.log"
    return log.read_text() if log.exists() else ""


def test_job_runs_the_dockerfiles_program_with_batchs_environment(machinery: LocalStack) -> None:
    job = finished(machinery, submit(machinery, "ok"))

    seen = json.loads(output(machinery, job).splitlines()[0])
    environment = seen["env"]
    assert job["status"] == "SUCCEEDED"
    assert job["container"]["exitCode"] == 0
    assert job["container"]["command"] == ["--do", "ok"]
    assert (seen["do"], seen["layer"]) == ("ok", "first")
    assert seen["cwd"].endswith("/opt/worker")
    assert environment["FROM_IMAGE"] == "yes"
    assert environment["BUCKET"] == machinery.info.resources["Bucket"]
    assert environment["AWS_BATCH_JOB_ID"] == job["jobId"]
    assert environment["AWS_BATCH_JOB_ATTEMPT"] == "1"
    assert environment["AWS_BATCH_JQ_NAME"] == machinery.info.resources["JobQueue"].rpartition("/")[2]
    assert environment["AWS_DEFAULT_REGION"] == machinery.info.region
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in environment
    assert not {"PYTEST_CURRENT_TEST", "VIRTUAL_ENV"} & set(environment)


def test_array_retries_the_child_that_failed_and_succeeds(machinery: LocalStack) -> None:
    job_id = submit(machinery, "fail-first-child-once", arrayProperties={"size": 3})

    parent = finished(machinery, job_id)

    children = [describe(machinery, f"{job_id}:{index}") for index in range(3)]
    assert parent["status"] == "SUCCEEDED"
    assert parent["arrayProperties"]["size"] == 3
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 3
    assert [child["arrayProperties"]["index"] for child in children] == [0, 1, 2]
    assert [len(child["attempts"]) for child in children] == [2, 1, 1]
    assert [attempt["container"]["exitCode"] for attempt in children[0]["attempts"]] == [75, 0]
    assert json.loads(output(machinery, children[0], 1).splitlines()[0])["env"]["AWS_BATCH_JOB_ATTEMPT"] == "2"


@pytest.mark.parametrize(("code", "attempts"), [(75, 3), (65, 1)])
def test_exit_code_decides_about_a_retry(machinery: LocalStack, code: int, attempts: int) -> None:
    job = finished(machinery, submit(machinery, f"exit-{code}"))

    assert job["status"] == "FAILED"
    assert job["container"]["exitCode"] == code
    assert len(job["attempts"]) == attempts
    assert job["statusReason"] == "Essential container in task exited"


def test_failed_child_fails_its_array(machinery: LocalStack) -> None:
    job = finished(machinery, submit(machinery, "exit-65", arrayProperties={"size": 2}))

    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Array Child Job failed"
    assert job["arrayProperties"]["statusSummary"]["FAILED"] == 2


def test_timeout_ends_the_job_without_a_retry(machinery: LocalStack) -> None:
    job = finished(machinery, submit(machinery, "hang", timeout={"attemptDurationSeconds": 1}))

    assert job["status"] == "FAILED"
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(job["attempts"]) == 1
    assert job["container"]["exitCode"] == 143


def test_process_that_ignores_sigterm_is_killed_after_the_grace_time(machinery: LocalStack) -> None:
    job_id = submit(machinery, "stubborn")
    wait_until(machinery, job_id, "RUNNING")
    wait_for(lambda: output(machinery, describe(machinery, job_id)), what="the program's start")

    machinery.client("batch").terminate_job(jobId=job_id, reason="enough")

    job = finished(machinery, job_id)
    assert "SIGTERM, so what" in output(machinery, job)
    assert job["container"]["exitCode"] == 137


def test_terminated_job_fails_with_the_callers_reason_even_if_it_exits_well(machinery: LocalStack) -> None:
    job_id = submit(machinery, "polite", arrayProperties={"size": 2})
    wait_until(machinery, f"{job_id}:0", "RUNNING")
    wait_for(lambda: output(machinery, describe(machinery, f"{job_id}:0")), what="the program's start")

    machinery.client("batch").terminate_job(jobId=job_id, reason="enough")

    parent, child = finished(machinery, job_id), finished(machinery, f"{job_id}:0")
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "enough")
    assert (child["status"], child["statusReason"], child["container"]["exitCode"]) == ("FAILED", "enough", 0)
    assert child["isTerminated"]


def test_cancel_ends_a_waiting_job_and_leaves_a_running_one(machinery: LocalStack) -> None:
    batch = machinery.client("batch")
    first = submit(machinery, "hang")
    wait_until(machinery, first, "RUNNING")
    second = submit(machinery, "ok", dependsOn=[{"jobId": first}])
    wait_until(machinery, second, "PENDING")

    batch.cancel_job(jobId=second, reason="changed my mind")
    batch.cancel_job(jobId=first, reason="too late")

    assert finished(machinery, second)["statusReason"] == "changed my mind"
    assert describe(machinery, second)["attempts"] == []
    assert describe(machinery, first)["status"] == "RUNNING"
    batch.terminate_job(jobId=first, reason="done")
    finished(machinery, first)


def test_job_waits_for_the_one_it_depends_on(machinery: LocalStack) -> None:
    good, bad = submit(machinery, "ok"), submit(machinery, "exit-65")

    after_good = finished(machinery, submit(machinery, "ok", dependsOn=[{"jobId": good}]))
    after_bad = finished(machinery, submit(machinery, "ok", dependsOn=[{"jobId": bad}]))

    assert after_good["status"] == "SUCCEEDED"
    assert after_good["startedAt"] >= describe(machinery, good)["stoppedAt"]
    assert (after_bad["status"], after_bad["attempts"]) == ("FAILED", [])


def test_lost_host_is_retried(machinery: LocalStack) -> None:
    job_id = submit(machinery, "hang")
    wait_until(machinery, job_id, "RUNNING")

    shown = {SECRET_FIELD: machinery.info.secret}
    url = f"{machinery.info.endpoint}/_lambent/lose-host/{job_id}"
    httpx.post(url, headers=shown, timeout=PATIENCE_S).raise_for_status()

    wait_for(lambda: len(describe(machinery, job_id)["attempts"]) == 2, what="the second attempt")
    lost = describe(machinery, job_id)["attempts"][0]
    assert lost["statusReason"].startswith("Host EC2 (instance i-")
    assert "exitCode" not in lost["container"]
    machinery.client("batch").terminate_job(jobId=job_id, reason="done")
    finished(machinery, job_id)


def test_jobs_are_listed_by_status_name_and_parent(machinery: LocalStack) -> None:
    batch, queue = machinery.client("batch"), machinery.info.resources["JobQueue"]
    job_id = submit(machinery, "ok", arrayProperties={"size": 2})
    finished(machinery, job_id)

    by_name = batch.list_jobs(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": ["job-o*"]}])["jobSummaryList"]
    by_status = batch.list_jobs(jobQueue=queue, jobStatus="SUCCEEDED")["jobSummaryList"]
    children = batch.list_jobs(arrayJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"]

    assert job_id in [job["jobId"] for job in by_name]
    assert {job["jobName"] for job in by_name} == {"job-ok"}
    assert job_id in [job["jobId"] for job in by_status]
    assert {job["jobId"] for job in children} == {f"{job_id}:0", f"{job_id}:1"}


def test_every_state_of_a_job_is_told_to_eventbridge_in_order(machinery: LocalStack) -> None:
    job_id = submit(machinery, "exit-75", retryStrategy={"attempts": 2})
    finished(machinery, job_id)

    def details() -> list[dict[str, Any]] | None:
        s3, bucket = machinery.client("s3"), machinery.info.resources["Bucket"]
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="events/aws.batch/").get("Contents", [])
        events = [json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()) for entry in listed]
        own = [event["detail"] for event in events if event["detail"]["jobId"] == job_id]
        return own if len(own) == 9 else None

    seen = wait_for(details, what="nine events")
    states = ["SUBMITTED", "PENDING", *2 * ["RUNNABLE", "STARTING", "RUNNING"], "FAILED"]
    assert sorted(detail["status"] for detail in seen) == sorted(states)
    last = next(detail for detail in seen if detail["status"] == "FAILED")
    assert last["parameters"] == {"what": "exit-75"}
    assert [attempt["container"]["exitCode"] for attempt in last["attempts"]] == [75, 75]
    assert last["container"]["exitCode"] == 75


@pytest.mark.parametrize("size", [1, 10_001])
def test_impossible_array_is_refused(machinery: LocalStack, size: int) -> None:
    client = machinery.client("batch")

    with pytest.raises(client.exceptions.ClientException):
        submit(machinery, "ok", arrayProperties={"size": size})


def test_overrides_replace_command_and_add_environment(machinery: LocalStack) -> None:
    overrides = {"command": ["--do", "exit-0"], "environment": [{"name": "MORE", "value": "1"}]}

    job = finished(machinery, submit(machinery, "ok", containerOverrides=overrides))

    seen = json.loads(output(machinery, job).splitlines()[0])
    assert seen["do"] == "exit-0"
    assert (seen["env"]["MORE"], seen["env"]["BUCKET"]) == ("1", machinery.info.resources["Bucket"])
