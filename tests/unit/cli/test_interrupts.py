"""Ctrl-C ends a command wherever it comes, also where Python or somebody's code drops what it raises.

The pause after which it is raised again is over when a test says so, but for one that waits for it.
"""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from lambent_toolkit.cli.interrupts import AGAIN_AFTER_S, insisting, interrupting
from lambent_toolkit.cli.main import _Verbs

DROPPED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def press() -> None:
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def look_again() -> None:
    """Let the pause be over."""
    signal.raise_signal(signal.SIGALRM)


class Finalized:
    """Is interrupted in its finalizer."""

    def __del__(self) -> None:
        press()


class Held:
    """Stands for what native threads work on."""


def ended_by(work: Callable[[], None]) -> None:
    """Take a step as the verbs do, which turn an interrupt into an exit code."""
    try:
        run(work)
    except KeyboardInterrupt:
        ended = True
    assert ended
    raise SystemExit(130)


def in_a_finalizer() -> None:
    Finalized()


def in_a_bare_except() -> None:
    with suppress(BaseException):
        press()


def in_a_callback_of_a_collection() -> None:
    def collected(_phase: str, _info: Any) -> None:
        gc.callbacks.remove(collected)
        press()

    gc.callbacks.append(collected)
    gc.collect()


def run(*steps: Callable[[], object]) -> None:
    """Take steps as a command does."""
    with interrupting():
        for step in steps:
            step()


PLACES = [in_a_finalizer, in_a_bare_except, in_a_callback_of_a_collection]


@DROPPED
@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_that_is_dropped_is_raised_again(place: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(place, look_again)


@DROPPED
def test_one_that_is_dropped_again_and_again_is_raised_again_and_again() -> None:
    dropped = []

    def drop() -> None:
        try:
            look_again()
        except KeyboardInterrupt as exc:
            dropped.append(exc)

    with pytest.raises(KeyboardInterrupt):
        run(in_a_finalizer, *[drop] * 5, look_again)

    assert len(dropped) == 5


@DROPPED
def test_it_comes_by_itself() -> None:
    paces: list[float] = []

    with pytest.raises(KeyboardInterrupt):
        run(in_a_finalizer, lambda: paces.append(signal.getitimer(signal.ITIMER_REAL)[1]), signal.pause)

    assert paces == [AGAIN_AFTER_S]


def test_what_cleans_up_is_left_alone() -> None:
    cleaned = []

    def clean() -> None:
        look_again()
        cleaned.append("a function")

    def end() -> None:
        try:
            try:
                press()
            finally:
                clean()
        except KeyboardInterrupt:
            look_again()
            cleaned.append("an except")
            raise ValueError("of the clean-up") from None
        finally:
            look_again()
            cleaned.append("after another error")

    with pytest.raises(ValueError, match="of the clean-up"):
        run(end)

    assert cleaned == ["a function", "an except", "after another error"]


@DROPPED
def test_nothing_is_left_behind() -> None:
    def stands() -> list[Any]:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
        return [*handlers, signal.getitimer(signal.ITIMER_REAL)[1]]

    before = stands()
    with pytest.raises(KeyboardInterrupt):
        run(in_a_finalizer, look_again)
    with interrupting(), insisting([signal.SIGTERM], SystemExit):
        pass

    assert stands() == before


def test_what_an_interrupted_command_held_is_let_go_of_with_its_error_and_not_by_a_later_collection() -> None:
    held = []

    def work() -> None:
        thing = Held()
        held.append(weakref.ref(thing))
        press()

    gc.disable()
    try:
        with pytest.raises(SystemExit):
            ended_by(work)
        is_there = held[0]() is not None
    finally:
        gc.enable()

    assert not is_there


def test_an_interrupt_that_somebody_ignores_is_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupting():
            press()
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_signal_ends_its_block_by_an_exception_of_its_own() -> None:
    def drop_it() -> None:
        with insisting([signal.SIGTERM], lambda number: SystemExit(128 + number)):
            with suppress(SystemExit):
                signal.raise_signal(signal.SIGTERM)
            look_again()

    with pytest.raises(SystemExit) as ended:
        drop_it()

    assert ended.value.code == 128 + signal.SIGTERM


@DROPPED
@pytest.mark.parametrize("place", [press, *PLACES])
def test_every_verb_ends_with_130_in_one_line(place: Callable[[], None]) -> None:
    app = typer.Typer(cls=_Verbs)

    @app.command()
    def work() -> None:
        place()
        look_again()
        raise AssertionError("went on")

    @app.command()
    def other() -> None: ...

    ended = CliRunner().invoke(app, ["work"])

    assert ended.exit_code == 130
    assert ended.stderr.split() == ["✗", "Stopped."]
