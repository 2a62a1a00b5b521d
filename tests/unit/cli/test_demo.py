"""The demo succeeds only if every check of every step held."""

import json
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from lambent.domain.model import ModelRef
from lambent_toolkit.demo import rollout
from lambent_toolkit.demo import stage as stages
from lambent_toolkit.demo.stage import DemoFailed, Stage, wait_for
from lambent_toolkit.demo.story import Step, play
from lambent_toolkit.sandbox import StackInfo

INFO = StackInfo(
    **json.loads("""{"name": "lambent-local", "url": "http://localhost:1", "api_key": "k", "api_key_id": "i",
    "endpoint": "http://localhost:2", "region": "us-east-1", "buckets": {}, "queues": {},
    "table": "t", "topic": "a", "functions": {}, "logs": "l",
    "retry_scale": 1, "pid": 1, "resources": {}}""")
)


@pytest.fixture
def stage() -> Stage:
    return Stage(Console(file=StringIO(), width=100), INFO, Path())


def shown(stage: Stage) -> str:
    return stage.console.file.getvalue()  # type: ignore[attr-defined]


def test_promise_that_holds_is_shown(stage: Stage) -> None:
    stage.check(1 + 1 == 2, "sums are right")

    assert "✓ sums are right" in shown(stage)


def test_promise_that_does_not_hold_ends_the_demo_with_what_was_got(stage: Stage) -> None:
    with pytest.raises(DemoFailed, match="sums are right: it is not so, got 3"):
        stage.check(1 + 1 == 3, "sums are right", got=3)

    assert shown(stage) == ""


def test_failing_step_is_named_and_later_steps_are_not_played(stage: Stage) -> None:
    played: list[str] = []
    steps = [
        Step("one", "First", lambda _: played.append("one")),
        Step("two", "Second", lambda stage: stage.check(False, "water is dry")),
        Step("three", "Third", lambda _: played.append("three")),
    ]

    with pytest.raises(DemoFailed, match=r"step 2 \(two\): water is dry"):
        play(stage, taken_s={}, steps=steps)

    assert played == ["one"]
    assert "held" not in shown(stage)


def test_door_that_does_not_answer_is_a_failed_step(stage: Stage) -> None:
    def call(_stage: Stage) -> None:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(DemoFailed, match=r"step 1 \(HTTP\): connection refused"):
        play(stage, taken_s={}, steps=[Step("HTTP", "Door 1", call)])


def test_closing_table_has_every_step_and_figure(stage: Stage) -> None:
    stage.figures["accuracy"] = "98.6%"

    play(stage, taken_s={"local stack": 7.0}, steps=[Step("one", "First", lambda _: None)])

    for words in ("local stack", "7.0 s", "1 one", "together", "accuracy", "98.6%", "make up"):
        assert words in shown(stage)


def test_waiting_ends_with_the_answer_or_with_a_failure() -> None:
    answers = iter([None, "there"])

    assert wait_for(lambda: next(answers), what="it", limit_s=5) == "there"
    with pytest.raises(DemoFailed, match="it did not come within 0 s"):
        wait_for(lambda: None, what="it", limit_s=0)


def test_how_soon_a_move_reaches_all_is_told_by_requests_and_not_by_the_machine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, remembered_until_s = 0.0, 3.0

    def answered_slowly(_stage: Stage, _user: str) -> str:
        nonlocal now_s
        sent_s, now_s = now_s, now_s + 2.0
        return "digits@1" if sent_s < remembered_until_s else "digits@2"

    monkeypatch.setattr(rollout, "_answered_by", answered_slowly)
    monkeypatch.setattr(rollout, "perf_counter", lambda: now_s)
    monkeypatch.setattr(stages, "sleep", lambda _pause_s: None)

    took_s = rollout._wait_until_answered(stage, [ModelRef("digits", 2)] * 20)

    assert (took_s, now_s) == (2.0, 44.0)
