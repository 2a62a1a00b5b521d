"""What is said to AWS Batch; botocore checks every request against the service's own model."""

import boto3
import pytest
from botocore.stub import Stubber

from lambent.adapters.batch import BatchJobRunner
from lambent.errors import Misconfigured, Unavailable


@pytest.fixture
def batch():
    client = boto3.client("batch", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield BatchJobRunner(client, job_queue="queue", job_definition="definition", stack_name="mine"), stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(("shards", "array"), [(3, {"arrayProperties": {"size": 3}}), (1, {})])
def test_one_shard_is_a_plain_job_and_more_are_an_array(batch, shards: int, array: dict) -> None:
    runner, stubber = batch
    tags = {"lambent:stack": "mine"}  # by which the roles of this stack may stop it
    said = {"jobName": "n", "jobQueue": "queue", "jobDefinition": "definition", "parameters": {"tenant": "a"}}
    said |= {"tags": tags, **array}
    stubber.add_response("submit_job", {"jobId": "id", "jobName": "n"}, said)

    assert runner.submit("n", shards=shards, parameters={"tenant": "a"}) == "id"


def test_a_job_is_found_by_its_whole_name(batch) -> None:
    runner, stubber = batch
    summaries = [{"jobId": "1", "jobName": "lambent-a-10"}, {"jobId": "2", "jobName": "lambent-a-1"}]
    stubber.add_response("list_jobs", {"jobSummaryList": summaries})
    stubber.add_response("list_jobs", {"jobSummaryList": []})

    assert runner.find("lambent-a-1") == "2"
    assert runner.find("lambent-a-1") is None


def test_a_forgotten_job_has_no_status(batch) -> None:
    runner, stubber = batch
    job = {"jobName": "n", "jobId": "1", "jobQueue": "q", "status": "FAILED", "startedAt": 0, "jobDefinition": "d"}
    stubber.add_response("describe_jobs", {"jobs": [job]})
    stubber.add_response("describe_jobs", {"jobs": []})

    assert (runner.status("1"), runner.status("2")) == ("FAILED", None)


@pytest.mark.parametrize(
    ("code", "error"), [("TooManyRequestsException", Unavailable), ("AccessDeniedException", Misconfigured)]
)
def test_errors_say_whether_retrying_helps(batch, code: str, error: type[Exception]) -> None:
    runner, stubber = batch
    stubber.add_client_error("describe_jobs", code)

    with pytest.raises(error, match=code):
        runner.status("1")
