"""The record of rights, and the list of those that nothing has used."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lambent_toolkit.sandbox.iam.judge import Right
from lambent_toolkit.sandbox.iam.rights import Denial, RightsLog
from rights import unused_rights

ROLE = "lambent-local-PredictRole-AAAAAAAAAAAA"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/lambent-local-Table-BBBBBBBBBBBB"


def right(statement: str, action: str, resource: str = TABLE, role: str = ROLE) -> Right:
    return Right(role, "predict", statement, action, resource)


MakeLog = Callable[[Path], RightsLog]


@pytest.fixture
def make_log() -> Iterator[MakeLog]:
    logs: list[RightsLog] = []

    def make(file: Path) -> RightsLog:
        logs.append(RightsLog(file))
        return logs[-1]

    yield make
    for log in logs:
        log.close()


def test_what_no_stack_of_a_run_has_used_is_listed(tmp_path: Path, make_log: MakeLog) -> None:
    for name, used in (("one", "dynamodb:GetItem"), ("two", "dynamodb:Query")):
        (tmp_path / name).mkdir()
        log = make_log(tmp_path / name / "rights.jsonl")
        for action in ("dynamodb:GetItem", "dynamodb:Query", "dynamodb:Put*"):
            log.grant(right("Records", action))
        log.grant(right("Never", "sns:Publish"))
        log.grant(right("Whole", "s3:Get*", "*"))
        log.grant(right("Other", "sns:Publish", role="lambent-local-OtherRole-AAAAAAAAAAAA"))
        log.use(right("Records", used))
        log.use(right("Whole", "s3:GetObject", "*"))

    unused = list(unused_rights(tmp_path, {"PredictRole"}))

    assert unused == [
        "PredictRole Never: sns:Publish",
        "PredictRole Records: dynamodb:Put* (the rest of it is used)",
    ]


def test_names_that_differ_from_stack_to_stack_are_one(tmp_path: Path, make_log: MakeLog) -> None:
    first, second = make_log(tmp_path / "rights.jsonl"), right("Records", "dynamodb:GetItem", TABLE[:-4] + "CCCC")
    first.grant(right("Records", "dynamodb:GetItem"))
    first.use(second)

    assert list(unused_rights(tmp_path, {"PredictRole"})) == []


def test_a_refusal_is_told_each_time_and_written_once(tmp_path: Path, make_log: MakeLog) -> None:
    log = make_log(tmp_path / "rights.jsonl")
    for _ in range(2):
        log.refuse(Denial(ROLE, "sns:Publish", "t", "because"))

    assert len(log.denials()) == 2
    assert len((tmp_path / "rights.jsonl").read_text().splitlines()) == 1
