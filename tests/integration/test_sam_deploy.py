"""The real `sam deploy` into the local storage, as README tells it: a stack used by its name, changed and deleted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from stack_pace import RETRY_SCALE, UNHURRIED

from lambent_toolkit.sandbox import LocalStack, StackInfo
from lambent_toolkit.sandbox.build import make_build
from lambent_toolkit.sandbox.local_stack import stack_options
from lambent_toolkit.sandbox.sam_deploy import deploy_command, sam_environment
from patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
NAME = "lambent"  # by samconfig.toml
GPU_OFF, GPU_ON = {"GpuEnabled": "false"}, {"GpuEnabled": "true"}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    state_dir = tmp_path_factory.mktemp("deployed")
    parameters = UNHURRIED | GPU_OFF
    with LocalStack(
        state_dir, parameters=parameters, retry_scale=RETRY_SCALE, kill_grace_s=5.0, sam_deploy=True
    ) as running:
        yield running


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def deploy_again(stack: LocalStack, parameters: dict[str, str]) -> None:
    """Run `sam deploy` of the same build with other parameters."""
    build = make_build(
        stack_options(Path(stack.info.logs).parent, root=ROOT, parameters=parameters), lambda _text: None
    )
    run(deploy_command(ROOT, build.template, build.parameters), sam_environment(stack.info.endpoint))


def check_by_name(info: StackInfo, *chosen: str) -> str:
    """Run tests/e2e as somebody with an AWS account does; only where the API answers is known better here."""
    tests = [sys.executable, "-m", "pytest", "tests/e2e", "--stack", NAME, "-q", "-p", "no:cacheprovider", *chosen]
    settings = {**sam_environment(info.endpoint), "LAMBENT_URL": info.url}
    settings.pop("PYTEST_XDIST_WORKER", None)
    return run(tests, settings).stdout


def names_left(info: StackInfo) -> dict[str, list[str]]:
    """Return what an account still has, by service."""
    listed: dict[str, list[str]] = {
        "s3": [each["Name"] for each in info.client("s3").list_buckets()["Buckets"]],
        "dynamodb": info.client("dynamodb").list_tables()["TableNames"],
        "lambda": [each["FunctionName"] for each in info.client("lambda").list_functions()["Functions"]],
        "layers": [each["LayerName"] for each in info.client("lambda").list_layers()["Layers"]],
        "sqs": info.client("sqs").list_queues().get("QueueUrls", []),
        "sns": [each["TopicArn"] for each in info.client("sns").list_topics()["Topics"]],
        "events": [each["Name"] for each in info.client("events").list_rules()["Rules"]],
        "logs": [each["logGroupName"] for each in info.client("logs").describe_log_groups()["logGroups"]],
        "apigateway": [each["id"] for each in info.client("apigateway").get_rest_apis()["items"]],
        "keys": [each["id"] for each in info.client("apigateway").get_api_keys()["items"]],
        "batch": [each["jobQueueName"] for each in info.client("batch").describe_job_queues()["jobQueues"]],
    }
    return {service: [name for name in names if NAME in name] for service, names in listed.items()}


@pytest.mark.timeout(1800)  # three runs of SAM CLI and two of pytest, beside whatever else runs
def test_deployed_stack_serves_by_its_name_follows_an_update_and_leaves_only_what_is_retained(
    deployed: LocalStack,
) -> None:
    first = deployed.info

    without_gpu = check_by_name(first, "-k", "not gpu")
    deploy_again(deployed, UNHURRIED | GPU_ON | {"LogLevel": "DEBUG"})
    state_dir = Path(first.logs).parent
    second = StackInfo.load(state_dir)
    with_gpu = check_by_name(second, "-k", "gpu or alive")
    run(
        [
            str(Path(sys.executable).with_name("sam")),
            "delete",
            "--stack-name",
            NAME,
            "--no-prompts",
            "--region",
            "us-east-1",
        ],
        sam_environment(second.endpoint),
    )
    gone = httpx.get(f"{first.url}/models", headers={"x-api-key": first.api_key}, timeout=PATIENCE_S)
    left = names_left(second)

    assert " passed" in without_gpu
    assert "skipped" not in without_gpu
    assert "2 passed" in with_gpu
    assert "job_events" not in first.functions
    assert "job_events" in second.functions
    assert second.table == first.table
    assert second.buckets == first.buckets
    # The API is gone, and so is everything but what holds data.
    assert gone.status_code == 404
    artifacts = [name for name in left["s3"] if "sam-cli" in name]
    assert sorted(left.pop("s3")) == sorted([*second.buckets.values(), *artifacts])
    assert left.pop("dynamodb") == [second.table]
    assert all(names == [] for names in left.values()), left
