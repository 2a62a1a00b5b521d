"""`lambent deploy`: what it asks, what it refuses before a build, and that build and deployment get the same."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from lambent_toolkit.cli import deploy as command
from lambent_toolkit.cli.main import app
from lambent_toolkit.deploying import deployment
from lambent_toolkit.deploying.python import check_python
from lambent_toolkit.deploying.settings import DeploySettings, SettingsFile
from lambent_toolkit.sandbox.sources import read_template

ROOT = Path(__file__).parents[3]
URL = "https://id.execute-api.eu-west-1.amazonaws.com/dev"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in for a project folder, and for an account whose credentials are this process's own."""
    for name in ("samconfig.toml", "template.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "LAMBENT_STACK"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr("lambent_toolkit.stacks.deployed.describe_deployed", lambda *_, **__: SimpleNamespace(url=URL))
    monkeypatch.setattr(deployment, "check_python", lambda *_: None)
    with mock_aws():
        yield tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note what would have been run, each time well."""
    commands: list[list[str]] = []

    really_run = subprocess.run

    def run(words: list[str], **how: Any) -> Any:
        if Path(words[0]).name != "sam":
            return really_run(words, **how)
        commands.append(words[1:])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(deployment.subprocess, "run", run)
    return commands


def deploy(*words: str, answers: str | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> Any:
    if monkeypatch is not None:
        monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    return CliRunner().invoke(app, ["deploy", *words], input=answers)


def test_a_first_deployment_without_anybody_to_ask_takes_its_answers_from_options(
    root: Path, ran: list[list[str]]
) -> None:
    done = deploy("--stack", "shop", "--region", "eu-west-1", "--parameter", "AlarmEmail=a@b.c", "--yes")

    assert done.exit_code == 0, done.stderr
    build, deployed = ran
    assert (build[0], deployed[0]) == ("build", "deploy")
    assert build[1:] == deployed[1 : len(build)]
    assert build[-2:] == ["--config-env", "shop"]
    assert deployed[-1] == "--no-confirm-changeset"
    kept = SettingsFile(root).find("shop")
    assert kept is not None
    assert (kept.region, kept.parameters["AlarmEmail"]) == ("eu-west-1", "a@b.c")
    for told in (URL, "lambent key get --stack shop --region eu-west-1", "lambent doctor --stack shop"):
        assert told in done.stdout
    assert "Nobody hears" not in done.stdout


def test_the_second_deployment_needs_no_words(root: Path, ran: list[list[str]]) -> None:
    deploy("--stack", "shop", "--region", "eu-west-1", "--parameter", "LogLevel=DEBUG", "--yes")
    ran.clear()

    done = deploy("--parameter", "AlarmEmail=a@b.c", "--yes")

    assert done.exit_code == 0, done.stderr
    kept = SettingsFile(root).find("shop")
    assert kept is not None
    assert {"LogLevel": "DEBUG", "AlarmEmail": "a@b.c"}.items() <= kept.parameters.items()
    assert [words[0] for words in ran] == ["build", "deploy"]


def test_a_person_is_asked_once(root: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    first = deploy(answers="shop\neu-west-1\nprod\nme@b.c\n", monkeypatch=monkeypatch)
    second = deploy(answers="", monkeypatch=monkeypatch)

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    kept = SettingsFile(root).find("shop")
    assert kept is not None
    assert (kept.region, kept.parameters["Stage"], kept.parameters["AlarmEmail"]) == ("eu-west-1", "prod", "me@b.c")
    assert all(words[-1] == "--confirm-changeset" for words in ran if words[0] == "deploy")


def test_without_an_address_for_alarms_it_is_said_that_nobody_hears_them(root: Path, ran: list[list[str]]) -> None:
    done = deploy("--stack", "shop", "--region", "eu-west-1", "--yes")

    assert (done.exit_code, len(ran)) == (0, 2)
    assert "Nobody hears its alarms" in done.stdout


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (["LogLevel=LOUD"], "LogLevel"),
        (["Nothing=1"], "Nothing"),
        (["PredictMemory=lots"], "PredictMemory"),
        (["GpuEnabled=true"], "WorkerImageUri"),
        (["Architecture=arm64", "PythonVersion=python3.11"], "python3.11"),
        (["Interpreter=tflite-runtime", "PythonVersion=python3.12"], "tflite-runtime"),
        (["Interpreter=tflite-runtime", "PythonVersion=python3.11", "Architecture=arm64"], "tflite-runtime"),
    ],
)
def test_what_cloudformation_would_refuse_is_refused_before_a_build(
    root: Path, ran: list[list[str]], parameters: list[str], said: str
) -> None:
    options = [word for pair in parameters for word in ("--parameter", pair)]

    done = deploy("--stack", "shop", "--region", "eu-west-1", "--yes", *options)

    assert (done.exit_code, ran) == (151, [])
    assert said in done.stderr
    assert SettingsFile(root).find("shop") is None


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        ((), 150, "--stack NAME --region NAME"),
        (("--stack", "shop"), 150, "--region"),
        (("--stack", "my_shop", "--region", "eu-west-1"), 151, "stack's name"),
        (("--stack", "shop", "--region", "eu-west-1", "--profile", "nobody"), 123, "nobody"),
        (("--stack", "shop", "--region", "eu-west-1", "--parameter", "LogLevel"), 2, "NAME=VALUE"),
    ],
)
def test_what_is_missing_is_named(
    root: Path, ran: list[list[str]], words: tuple[str, ...], exit_code: int, said: str
) -> None:
    done = deploy(*words, "--yes")

    assert (done.exit_code, ran) == (exit_code, [])
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_of_several_stacks_one_must_be_named(root: Path, ran: list[list[str]]) -> None:
    for name in ("shop", "blog"):
        SettingsFile(root).write(DeploySettings(name, "eu-west-1"))

    done = deploy("--yes")

    assert (done.exit_code, ran) == (150, [])
    assert "blog, shop" in done.stderr


@pytest.mark.parametrize("step", ["build", "deploy"])
def test_a_step_that_fails_ends_the_command_and_keeps_the_answers(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(
        deployment.subprocess, "run", lambda words, **_: SimpleNamespace(returncode=int(words[1] == step))
    )

    done = deploy("--stack", "shop", "--region", "eu-west-1", "--yes")

    assert done.exit_code == 152
    assert f"sam {step}" in done.stderr
    assert SettingsFile(root).find("shop") is not None


def test_a_python_that_does_not_run_here_is_told_before_the_build(
    root: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "check_python", check_python)
    (root / "python3.12").write_text("#!/bin/sh\nexit 127\n")  # as pyenv's, for a Python that is not chosen
    (root / "python3.12").chmod(0o755)
    monkeypatch.setattr(deployment, "_environment", lambda: {"PATH": str(root)})

    done = deploy("--stack", "shop", "--region", "eu-west-1", "--yes")

    assert (done.exit_code, ran) == (151, [])
    assert "--parameter PythonVersion=python3.11" in done.stderr


def test_the_python_that_runs_the_tests_can_be_called() -> None:
    name = Path(sys.executable).resolve().name

    check_python(name, {"PATH": str(Path(sys.executable).resolve().parent)})


def test_every_parameter_is_listed_with_what_it_is_for(root: Path) -> None:
    done = deploy("--list-parameters")

    assert done.exit_code == 0
    assert "PythonVersion=python3.12" in done.stdout
    declared = read_template(ROOT / "template.yaml")["Parameters"]
    assert [name for name in declared if f"\n{name}" not in f"\n{done.stdout}"] == []
