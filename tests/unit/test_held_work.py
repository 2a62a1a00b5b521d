"""Work that its request does not wait for: it goes on, and its outcome is taken up once."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Event, get_ident

import pytest

from lambent.adapters.lambda_extension import ExtensionFailed
from lambent.runtime import held_work
from lambent.runtime.held_work import HeldWork, Piece

PATIENCE_S = 60.0


class PlayedExtension:
    """Lambda's side: each invocation can be taken once it has been asked for."""

    said: list[str]
    is_broken = False

    def __init__(self, address: str) -> None:
        type(self).said = [f"register at {address}"]

    def ask(self) -> None:
        self.said.append("ask")

    def take(self) -> None:
        if self.is_broken:
            raise ExtensionFailed("gone")
        self.said.append("take")


def held(on_failure: Callable[[ExtensionFailed], object] = lambda _: None, address: str | None = None) -> HeldWork:
    work = HeldWork(address, on_failure=on_failure)
    work.await_ready()
    return work


def has_ended(work: HeldWork) -> None:
    """Wait until all that was begun before has ended: there is one thread."""
    assert work.begin(lambda: None).wait(PATIENCE_S)


def test_work_is_done_by_a_thread_of_its_own_and_its_value_comes_back() -> None:
    piece = held().begin(get_ident)

    assert piece.wait(PATIENCE_S)
    assert piece.value() != get_ident()


def test_what_it_raises_is_raised_where_it_was_asked_for() -> None:
    def fail() -> None:
        raise ValueError("of the work")

    piece = held().begin(fail)

    assert piece.wait(PATIENCE_S)
    with pytest.raises(ValueError, match="of the work"):
        piece.value()


def test_left_work_goes_on_and_its_value_is_taken_up_once() -> None:
    work, gate, told = held(), Event(), []
    piece = work.begin(lambda: gate.wait(PATIENCE_S) and "computed")

    was_in_time = piece.wait(0)
    piece.go_on(lambda value: told.append(value()))
    gate.set()
    has_ended(work)

    assert not was_in_time
    assert told == ["computed"]
    assert not piece.abandon()


def test_work_that_ends_before_anybody_says_what_comes_after_waits_for_that() -> None:
    work, gate, told = held(), Event(), []
    piece = work.begin(lambda: gate.wait(PATIENCE_S) and "computed")

    assert not piece.wait(0)
    gate.set()
    next_piece = work.begin(lambda: None)
    is_next_done = next_piece.wait(0)
    piece.go_on(lambda value: told.append(value()))

    assert not is_next_done
    next_piece.go_on(None)
    has_ended(work)
    assert told == ["computed"]


def test_of_work_that_is_nobodys_nothing_is_taken_up() -> None:
    work, gate = held(), Event()
    piece = work.begin(lambda: gate.wait(PATIENCE_S))

    assert not piece.wait(0)
    piece.go_on(None)
    gate.set()

    has_ended(work)


def test_after_abandoned_work_nothing_comes_and_it_is_abandoned_once() -> None:
    work, gate, told = held(), Event(), []
    piece = work.begin(lambda: gate.wait(PATIENCE_S))

    assert not piece.wait(0)
    piece.go_on(lambda value: told.append(value()))
    assert piece.abandon()
    assert not piece.abandon()
    gate.set()
    has_ended(work)

    assert told == []


def test_work_that_raises_after_it_was_left_does_not_end_the_thread() -> None:
    work, gate, told = held(), Event(), []

    def fail() -> None:
        gate.wait(PATIENCE_S)
        raise ValueError("of the work")

    def take_up(value: Callable[[], None]) -> None:
        with pytest.raises(ValueError, match="of the work"):
            value()
        told.append("taken up")

    piece: Piece[None] = work.begin(fail)
    assert not piece.wait(0)
    piece.go_on(take_up)
    gate.set()
    has_ended(work)

    assert told == ["taken up"]


def test_a_fork_of_the_process_has_a_thread_of_its_own() -> None:
    work = held()
    has_ended(work)

    child = os.fork()
    if child == 0:
        os._exit(0 if work.begin(lambda: 3).wait(PATIENCE_S) else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_lambda_is_asked_for_the_next_invocation_once_the_work_of_the_last_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_work, "LambdaExtension", PlayedExtension)
    work, gate = held(address="lambda:9001"), Event()
    at_start = list(PlayedExtension.said)

    with work.invocation():
        piece = work.begin(lambda: gate.wait(PATIENCE_S))
        assert not piece.wait(0)
        piece.go_on(lambda _: PlayedExtension.said.append("kept"))
    while_at_work = list(PlayedExtension.said)
    gate.set()
    has_ended(work)

    assert at_start == while_at_work == ["register at lambda:9001", "ask"]
    assert PlayedExtension.said[2:5] == ["kept", "take", "ask"]


def test_an_invocation_without_work_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_work, "LambdaExtension", PlayedExtension)
    work = held(address="lambda:9001")

    with work.invocation():
        pass
    with work.invocation():
        has_ended(work)
    has_ended(work)

    assert PlayedExtension.said[:6] == ["register at lambda:9001", "ask", "take", "ask", "take", "ask"]


def test_without_its_extension_the_thread_works_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(PlayedExtension):
        is_broken = True

    monkeypatch.setattr(held_work, "LambdaExtension", Broken)
    failures: list[ExtensionFailed] = []
    work = held(failures.append, address="lambda:9001")

    for _ in range(3):
        with work.invocation():
            has_ended(work)

    assert [str(failure) for failure in failures] == ["gone"]
