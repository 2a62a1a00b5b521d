"""The command `doctor`: every check with its mark and what mends it, one file to send, an exit code of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app
from lambent_toolkit.doctor import patient as patients
from lambent_toolkit.doctor.registry import all_checks
from lambent_toolkit.sandbox.errors import StackNotRunning
from lambent_toolkit.stacks import find
from unit.doctor.aws_answers import refusal
from unit.doctor.well_stack import WellStack


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> Iterator[WellStack]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        stack = WellStack()
        monkeypatch.setattr(find, "find_stack", lambda *_: stack)
        monkeypatch.setattr(patients, "Patient", lambda *_, **__: stack.patient())
        yield stack


def doctor(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", *words])
    return done.exit_code, done.stdout + done.stderr


def test_a_stack_that_is_well_ends_with_0_and_a_report(well: WellStack, tmp_path: Path) -> None:
    code, said = doctor("--report", str(tmp_path / "report.json"))

    assert code == 0, said
    assert said.count("✓") == len(all_checks())
    assert f"{len(all_checks())} ok" in said
    assert json.loads((tmp_path / "report.json").read_text())["counts"]["ok"] == len(all_checks())


def test_a_report_that_cannot_be_written_is_told_before_the_checks(well: WellStack, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "report.json"):
        code, said = doctor("--report", str(place))

        assert (code, "✓" in said) == (2, False)


def test_what_is_wrong_is_told_with_what_mends_it_and_ends_with_160(well: WellStack) -> None:
    well.moto("sqs").send_message(QueueUrl=well.queues["batch_dead_letter"], MessageBody="x")

    code, said = doctor("--only", "operations")

    assert code == 160
    assert "✗ dead-letters: messages were given up: batch_dead_letter 1\n    → `lambent dlq list`" in said


def test_what_could_not_be_looked_at_ends_with_161(well: WellStack) -> None:
    well.told["service-quotas"].answers["get_service_quota"] = refusal("AccessDeniedException")

    code, said = doctor("--only", "gpu-quota")

    assert (code, "? gpu-quota: AWS refused" in said) == (161, True)


def test_checks_are_listed_without_a_stack() -> None:
    code, said = doctor("--list")

    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == [each.name for each in all_checks()]


def test_a_name_that_is_no_check_is_refused_before_anything_is_asked() -> None:
    code, said = doctor("--only", "no-such-check")

    assert code == 2
    assert "no-such-check" in said


def test_a_stack_that_is_not_there_is_told_without_a_traceback(tmp_path: Path) -> None:
    code, said = doctor("--state", str(tmp_path))

    assert code == StackNotRunning.exit_code
    assert "no local stack runs" in said
