"""Programs that meet: every order of their store calls that a few switches can make.

Each actor is a plain function in a thread of its own, and exactly one runs at a time. Before every call of a port that
stands behind a `Stepping`, an actor waits until it is let go on. Which one goes on is decided by a list of choices, so
that an order can be repeated, and all orders with at most so many switches can be gone through one by one ("preemption
bounding": most faults of concurrent programs need one or two switches; Musuvathi and Qadeer, PLDI 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Semaphore, Thread, local
from typing import Any, Self

Actor = Callable[[], None]


class Schedule:
    """One run of some actors; see `all_schedules` for many."""

    def __init__(self, choose: Callable[[int, Sequence[int]], int]) -> None:
        self._choose = choose
        self._here = local()  # not by the thread's id, which the next thread may have
        self._may_go: list[Semaphore] = []
        self._has_stopped = Semaphore(0)
        self._ended: set[int] = set()
        self._failures: list[BaseException] = []
        self.on_step: Callable[[], None] = lambda: None
        self.trace: list[str] = []

    def step(self, name: str) -> None:
        """Wait until the calling actor may go on; a thread that is none goes on at once."""
        number = getattr(self._here, "number", None)
        if number is not None:
            self._has_stopped.release()
            self._may_go[number].acquire()
            self.trace.append(f"{number}:{name}")

    def run(self, actors: Sequence[Actor]) -> None:
        """Run all to their ends; raises what the first of them has raised."""
        self._may_go = [Semaphore(0) for _ in actors]
        threads = [Thread(target=self._run, args=(number, actor), daemon=True) for number, actor in enumerate(actors)]
        for thread in threads:
            thread.start()
            self._has_stopped.acquire()
        current = 0
        while waiting := [number for number in range(len(actors)) if number not in self._ended]:
            current = self._choose(current, waiting)
            self._may_go[current].release()
            self._has_stopped.acquire()
            self.on_step()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _run(self, number: int, actor: Actor) -> None:
        self._here.number = number
        try:
            self.step("begin")
            actor()
        except BaseException as error:  # noqa: BLE001 - raised again where the run is waited for
            self._failures.append(error)
        finally:
            self._ended.add(number)
            self._has_stopped.release()


class Stepping:
    """A port whose every method is a step of the schedule."""

    def __init__(self, port: Any, schedule: Schedule) -> None:
        self._port = port
        self._schedule = schedule

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found) or name.startswith("_"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._schedule.step(name)
            return found(*args, **kwargs)

        return call


def all_schedules(*, most_switches: int) -> Iterator[Schedule]:
    """Yield schedules until every order with at most so many switches was run; each must be run before the next.

    To go over to another actor where the one before has ended is no switch.
    """
    choices: _Choices | None = _Choices(most_switches, [])
    while choices is not None:
        yield Schedule(choices.choose)
        choices = choices.following()


class _Choices:
    """The choices of one order: first those that are given, then always to go on without a switch."""

    def __init__(self, most_switches: int, given: list[int]) -> None:
        self._most_switches = most_switches
        self._given = given
        self._switches = 0
        self._made: list[tuple[int, int]] = []  # what was chosen, of how many

    def choose(self, current: int, waiting: Sequence[int]) -> int:
        others = [number for number in waiting if number != current]
        goes_on = current in waiting
        choices = [current, *others] if goes_on else others
        may_choose = not goes_on or self._switches < self._most_switches
        number = self._given[len(self._made)] if len(self._made) < len(self._given) else 0
        self._made.append((number, len(choices) if may_choose else 1))
        self._switches += goes_on and number > 0
        return choices[number]

    def following(self) -> _Choices | None:
        made = list(self._made)
        while made and made[-1][0] + 1 >= made[-1][1]:
            made.pop()
        return _Choices(self._most_switches, [*(number for number, _ in made[:-1]), made[-1][0] + 1]) if made else None


class SerialPool:
    """A ThreadPoolExecutor whose work is done by whoever asks for it, so that each of its store calls is a step."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, work: Callable[..., Any], *things: Any) -> list[Any]:
        return [work(*each) for each in zip(*things, strict=True)]
