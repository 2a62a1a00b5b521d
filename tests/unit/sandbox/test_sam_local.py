"""What `lambent sam-local` gives to SAM CLI; starting containers needs Docker and is tried by hand (README)."""

import gc
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app
from lambent_toolkit.sandbox.errors import MissingTool
from lambent_toolkit.sandbox.options import find_root
from lambent_toolkit.sandbox.sam_local import (
    SamLocalFiles,
    container_endpoint,
    container_template,
    container_variables,
    event_body,
    find_engine,
    gateway_address,
    invoke_command,
    remove_containers,
    sam_environment,
    start_api_command,
    write_files,
)
from lambent_toolkit.sandbox.stack_info import StackInfo

ENDPOINT = "http://host.docker.internal:4000"
BUILT = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: !Sub "${AWS::StackName}-t"}}
  CoreLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: CoreLayer}}
  JobsFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: JobsFunction
      Layers: [!Ref CoreLayer]
      Environment: {Variables: {TABLE_NAME: !Ref Table}}
      Events: {List: {Type: Api, Properties: {Path: /models, Method: get}}}
  SweepFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: SweepFunction
      Events: {Tick: {Type: Schedule, Properties: {Schedule: rate(5 minutes)}}}
"""
STACK = StackInfo(
    name="lambent-local",
    url="http://127.0.0.1:1",
    api_key="key",
    api_key_id="key-id",
    endpoint="http://127.0.0.1:2",
    region="us-east-1",
    buckets={},
    queues={},
    table="local-Table-1",
    topic="",
    functions={"jobs": "local-Jobs-1", "sweep": "local-Sweep-1"},
    logs="",
    retry_scale=1.0,
    pid=1,
    resources={"JobsFunction": "local-Jobs-1", "SweepFunction": "local-Sweep-1", "Table": "local-Table-1"},
)


class FakeLambda:
    """Knows one function with variables; every other one has none."""

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        if FunctionName != "local-Jobs-1":
            return {"FunctionName": FunctionName}
        return {"FunctionName": FunctionName, "Environment": {"Variables": {"TABLE_NAME": "local-Table-1"}}}


@dataclass
class FakeContainer:
    attrs: dict[str, Any]
    is_removed: bool = False

    def remove(self, *, force: bool) -> None:
        self.is_removed = force


@dataclass
class FakeEngine:
    """A Docker engine's `networks` and `containers` in one."""

    ipam: dict[str, str] = field(default_factory=dict)
    running: list[FakeContainer] = field(default_factory=list)

    @property
    def networks(self) -> "FakeEngine":
        return self

    @property
    def containers(self) -> "FakeEngine":
        return self

    @property
    def attrs(self) -> dict[str, Any]:
        return {"IPAM": {"Config": [self.ipam]}}

    def get(self, name: str) -> "FakeEngine":
        assert name == "bridge"
        return self

    def list(self, **_filters: Any) -> list[FakeContainer]:
        return self.running


@pytest.fixture
def built(tmp_path: Path) -> Path:
    path = tmp_path / "build" / "template.yaml"
    path.parent.mkdir()
    path.write_text(BUILT)
    return path


@pytest.fixture
def files() -> SamLocalFiles:
    return SamLocalFiles(Path("/state/template.yaml"), Path("/state/variables.json"))


def test_functions_and_layers_keep_their_code_though_the_template_lies_elsewhere(built: Path) -> None:
    resources = container_template(built)["Resources"]

    assert resources["JobsFunction"]["Properties"]["CodeUri"] == str(built.parent / "JobsFunction")
    assert resources["CoreLayer"]["Properties"]["ContentUri"] == str(built.parent / "CoreLayer")


def test_every_function_declares_the_endpoint_without_which_sam_local_would_not_pass_it(built: Path) -> None:
    resources = container_template(built)["Resources"]

    assert resources["JobsFunction"]["Properties"]["Environment"]["Variables"] == {
        "TABLE_NAME": {"Ref": "Table"},
        "AWS_ENDPOINT_URL": "",
    }
    assert resources["SweepFunction"]["Properties"]["Environment"]["Variables"] == {"AWS_ENDPOINT_URL": ""}


def test_the_template_that_is_deployed_declares_no_endpoint() -> None:
    assert "AWS_ENDPOINT_URL" not in (find_root() / "template.yaml").read_text()


def test_start_api_gets_only_functions_that_an_http_route_leads_to(built: Path) -> None:
    resources = container_template(built, has_api_only=True)["Resources"]

    assert set(resources) == {"Table", "CoreLayer", "JobsFunction"}


def test_each_function_gets_its_variables_of_the_stack_and_the_endpoint_as_a_container_sees_it() -> None:
    variables = container_variables(STACK, FakeLambda(), endpoint=container_endpoint(4000))

    assert variables == {
        "JobsFunction": {"TABLE_NAME": "local-Table-1", "AWS_ENDPOINT_URL": ENDPOINT},
        "SweepFunction": {"AWS_ENDPOINT_URL": ENDPOINT},
    }


def test_the_files_can_be_read_by_sam(tmp_path: Path, built: Path) -> None:
    template, variables = container_template(built), {"JobsFunction": {"AWS_ENDPOINT_URL": ENDPOINT}}

    files = write_files(tmp_path / "state" / "sam-local", template, variables, parameters={}, data_bucket="data")

    assert yaml.safe_load(files.template.read_text()) == template
    assert json.loads(files.variables.read_text()) == variables


def test_start_api_keeps_its_containers_warm_and_asks_no_registry(files: SamLocalFiles) -> None:
    command = start_api_command("sam", files, port=3000)

    assert command[:3] == ["sam", "local", "start-api"]
    assert " ".join(command[3:]) == (
        "--template /state/template.yaml --env-vars /state/variables.json --skip-pull-image "
        "--add-host host.docker.internal:host-gateway --port 3000 --warm-containers EAGER --no-watch"
    )


def test_sam_local_takes_the_image_of_the_python_that_the_build_is_for_whatever_samconfig_says() -> None:
    files = SamLocalFiles(Path("/state/template.yaml"), Path("/state/variables.json"), {"PythonVersion": "python3.11"})

    command = start_api_command("sam", files, port=3000)

    at = command.index("--parameter-overrides")
    assert command[at + 1] == "ParameterKey=PythonVersion,ParameterValue=python3.11"


def test_invoke_names_the_event_and_the_function(files: SamLocalFiles) -> None:
    command = invoke_command("sam", files, function="JobsFunction", event=Path("/events/jobs.models.json"))

    assert command[:3] == ["sam", "local", "invoke"]
    assert command[-3:] == ["--event", "/events/jobs.models.json", "JobsFunction"]


def test_a_sample_names_the_data_bucket_of_the_stack_that_it_is_given_to(tmp_path: Path) -> None:
    sample = tmp_path / "preprocess.upload.json"
    sample.write_text('{"bucket": "lambent-data", "uri": "s3://lambent-data/inputs/a"}')
    files = write_files(tmp_path / "state", {}, {}, parameters={}, data_bucket="lambent-data-1")

    command = invoke_command("sam", files, function="PreprocessFunction", event=sample)

    given = json.loads(Path(command[command.index("--event") + 1]).read_text())
    assert given == {"bucket": "lambent-data-1", "uri": "s3://lambent-data-1/inputs/a"}
    assert "lambent-data-1" not in sample.read_text()


def test_sam_itself_gets_the_stack_s_credentials_and_not_the_developer_s() -> None:
    environment = sam_environment(
        STACK, {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "real", "DOCKER_HOST": "unix:///x"}
    )

    assert environment == {
        "DOCKER_HOST": "unix:///x",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
        "SAM_CLI_TELEMETRY": "0",
    }


@pytest.fixture
def no_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    yield
    # The docker package forgets to close a socket that it could not connect.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("no_docker")
def test_without_docker_the_message_says_what_to_do() -> None:
    with pytest.raises(MissingTool, match=r"start Docker, or set DOCKER_HOST.*lambent up"):
        find_engine()


@pytest.mark.usefixtures("no_docker")
def test_without_docker_the_command_ends_with_3() -> None:
    result = CliRunner().invoke(app, ["sam-local", "check"])

    assert result.exit_code == 3
    assert "no Docker engine answers" in result.stderr


@pytest.mark.parametrize(
    "ipam", [{"Subnet": "172.17.0.0/16"}, {"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}], ids=["old", "new"]
)
def test_the_gateway_is_found_with_engines_that_do_not_name_it(ipam: dict[str, str]) -> None:
    assert gateway_address(FakeEngine(ipam)) == "172.17.0.1"


def test_only_containers_of_this_very_run_are_removed() -> None:
    ours, others = (
        FakeContainer({"Config": {"Env": [f"AWS_ENDPOINT_URL={endpoint}"]}})
        for endpoint in (ENDPOINT, container_endpoint(4001))
    )

    remove_containers(FakeEngine(running=[ours, others]), endpoint=ENDPOINT)

    assert (ours.is_removed, others.is_removed) == (True, False)


def test_the_body_of_a_sample_event_can_be_sent_by_curl() -> None:
    body = event_body(find_root() / "events" / "predict.png.json")

    assert body.startswith(b"\x89PNG")
