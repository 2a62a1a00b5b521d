"""How the real `sam deploy` is started for the local storage: as on AWS, and speaking to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent_toolkit.sandbox.options import STACK_NAME
from lambent_toolkit.sandbox.sam_deploy import deploy_command, sam_environment
from lambent_toolkit.sandbox.samconfig import stack_name

TEMPLATE = Path("built/template.yaml")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ('[default.global.parameters]\nstack_name = "mine"', "mine"),
        ('[default.deploy.parameters]\nstack_name = "ours"\n[default.global.parameters]\nstack_name = "mine"', "ours"),
        ("version = 0.1", STACK_NAME),
    ],
)
def test_stack_has_the_name_that_samconfig_gives_it(tmp_path: Path, config: str, name: str) -> None:
    (tmp_path / "samconfig.toml").write_text(config)

    command = deploy_command(tmp_path, TEMPLATE, {})

    assert stack_name(tmp_path) == name
    assert command[command.index("--stack-name") + 1] == name
    assert command[command.index("--config-file") + 1] == str(tmp_path / "samconfig.toml")


def test_without_samconfig_the_stack_has_the_local_name(tmp_path: Path) -> None:
    command = deploy_command(tmp_path, TEMPLATE, {})

    assert stack_name(tmp_path) == STACK_NAME
    assert "--config-file" not in command


def test_parameters_are_quoted_since_they_may_be_empty_or_hold_spaces(tmp_path: Path) -> None:
    command = deploy_command(tmp_path, TEMPLATE, {"AlarmEmail": "", "Note": "a b"})

    overrides = command[command.index("--parameter-overrides") + 1 :]

    assert overrides == ['ParameterKey=AlarmEmail,ParameterValue=""', 'ParameterKey=Note,ParameterValue="a b"']


def test_sam_gets_none_of_the_developer_s_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere.invalid")

    environment = sam_environment("http://127.0.0.1:4566")

    assert environment["AWS_ENDPOINT_URL"] == "http://localhost:4566"
    assert environment["AWS_ACCESS_KEY_ID"] == "local"
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"} & set(environment)
