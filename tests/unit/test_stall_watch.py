"""A computing that never ends costs its process, and shows its messages again; one that ends in time costs nothing."""

from __future__ import annotations

from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from builders import contract
from lambent.domain.model import ModelRef
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import Unavailable
from lambent.runtime import stall_watch
from lambent.runtime.record_time import RESERVE_S, RecordTime
from lambent.runtime.stall_watch import StallWatch, watching
from lambent.services.load_model import ServedModel
from lambent.services.watched_models import WatchedModels
from lambent_toolkit.fakes import FakeInterpreter
from patience import PATIENCE_S

AT_ONCE_S = 0.01
LEFT_S = 120.0


class Environment:
    """A process that tells when it would be gone, and what it did before."""

    def __init__(self) -> None:
        self.gone = Event()
        self.told: list[object] = []
        self.watch = StallWatch(leave=self.leave)

    def leave(self, status: int) -> None:
        self.told.append(status)
        self.gone.set()

    def hang(self) -> None:
        assert self.gone.wait(PATIENCE_S), "nobody ends it"


@pytest.fixture
def environment() -> Environment:
    return Environment()


def test_what_never_ends_costs_the_process_once_its_messages_are_shown_again(environment: Environment) -> None:
    with (
        environment.watch.invocation(LEFT_S, lambda: environment.told.append("shown")),
        environment.watch.within(AT_ONCE_S),
    ):
        environment.hang()

    assert environment.told == ["shown", 75]


def test_a_queue_that_does_not_answer_keeps_no_process_alive(environment: Environment) -> None:
    def fail() -> None:
        raise Unavailable("The queue did not answer.")

    with environment.watch.invocation(LEFT_S, fail), environment.watch.within(AT_ONCE_S):
        environment.hang()

    assert environment.told == [75]


def test_a_later_block_with_less_time_is_ended_before_an_earlier_one_with_more(environment: Environment) -> None:
    with (
        environment.watch.invocation(LEFT_S, lambda: None),
        environment.watch.within(LEFT_S / 2),
        environment.watch.within(AT_ONCE_S),
    ):
        environment.hang()

    assert environment.told == [75]


def test_each_of_several_threads_is_watched(environment: Environment) -> None:
    def compute() -> None:
        with environment.watch.within(AT_ONCE_S):
            environment.hang()

    with environment.watch.invocation(LEFT_S, lambda: None), environment.watch.within(LEFT_S / 2):
        thread = Thread(target=compute)
        thread.start()
        environment.hang()
        thread.join(PATIENCE_S)

    assert environment.told == [75]


def test_an_invocation_that_ends_soon_bounds_what_may_take_longer(environment: Environment) -> None:
    with environment.watch.invocation(1.0, lambda: None), environment.watch.within(PATIENCE_S * 100):
        environment.hang()

    assert environment.told == [75]


class ByHand:
    """A clock that goes by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_what_has_ended_is_not_missed_however_long_the_environment_sleeps_afterwards() -> None:
    clock, told = ByHand(), list[int]()
    watch = StallWatch(leave=told.append, now_s=clock)

    with watch.invocation(LEFT_S, lambda: None):
        with watch.within(1.0):
            pass
        clock.now_s += 3600  # frozen between two invocations
        with watch.within(1.0):
            pass

    assert told == []


def test_outside_of_an_invocation_nothing_is_watched() -> None:
    told: list[int] = []
    watch = StallWatch(leave=told.append)

    with watch.within(0.0):
        pass

    assert told == []
    assert watch._thread is None


def test_all_messages_of_an_event_are_shown_again_by_their_queue(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stall_watch, "STALL_WATCH", environment.watch)
    queue = SimpleNamespace(hold=lambda receipt, *, pause_s: environment.told.append((receipt, pause_s)))
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: LEFT_S * 1000)

    with (
        watching({"Records": [{"receiptHandle": "r1"}, {"receiptHandle": "r2"}]}, context, lambda: queue),
        environment.watch.within(AT_ONCE_S),
    ):
        environment.hang()

    assert environment.told == [("r1", 1), ("r2", 1), 75]


class _Block:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize(("proof_s", "limit_s"), [(0.0, 15.0), (1.0, 15.0), (10.0, 50.0)])
def test_a_row_and_an_item_have_the_limit_or_five_times_what_the_version_s_own_vectors_took(
    proof_s: float, limit_s: float
) -> None:
    declared = contract()
    model = ServedModel(
        ModelRef("shade", 1),
        declared,
        FakeInterpreter(lambda inputs: inputs),
        make_preprocessor(declared, {}),
        1,
        proof_s,
    )
    limits_s: list[float] = []

    class Watch:
        def within(self, limit_s: float) -> _Block:
            limits_s.append(limit_s)
            return _Block()

    watched = WatchedModels(SimpleNamespace(get=lambda _: model), Watch(), limit_s=15.0).get(model.ref)
    watched.interpreter.run({"image": np.zeros((4, 2, 2, 1), np.float32)})
    watched.preprocessor.check_together([])

    assert limits_s == [4 * limit_s, limit_s]


def test_in_a_process_of_its_own_a_record_may_take_its_limit_or_ten_times_its_version_s_vectors() -> None:
    record_time = RecordTime(lambda: 0.0)
    record_time.begin(120_000)
    left_s = 120 - RESERVE_S

    assert record_time.limit_s() == left_s
    assert record_time.limit_s(60.0) == 60.0
    record_time.allow_s(8.0)
    assert record_time.limit_s(60.0) == 80.0
    record_time.allow_s(1000.0)
    assert record_time.limit_s(60.0) == left_s
    record_time.begin(120_000)
    assert record_time.limit_s(60.0) == 60.0
