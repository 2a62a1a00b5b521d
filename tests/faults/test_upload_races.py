"""Two versions of one upload, in every order of their store calls that two switches can make.

Each version is put, preprocessed and inferred by deliveries of its own, which S3 and SQS may delay and repeat at will.
In the end there is one outcome, and it is that of the bytes that were put last.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import md5
from typing import Any

import msgspec
import pytest

from builders import TENANT, World, picture
from interleaving import Actor, Schedule, Stepping, all_schedules
from lambent.contracts.messages import TensorMessage
from lambent.errors import LambentError, Unavailable
from lambent.services.infer import InferService
from lambent.services.ingest import IngestService, Upload
from lambent_toolkit.fakes import FakeQueue

KEY = f"inbox/{TENANT}/shade/a.png"
RESULT, ERROR = f"results/{TENANT}/shade/a.png.json", f"results/{TENANT}/shade/a.png.error.json"
DARK, BRIGHT, BAD, WORSE = picture(0), picture(255), b"no picture", b"no picture either"
GOOD = (DARK, BRIGHT)
DELIVERIES = 20


class _Death(BaseException):
    """The process ends here; its message comes back."""


class _Dying:
    """A store whose user dies at one of its calls, once."""

    def __init__(self, store: Any, dies_at: int | None) -> None:
        self._store = store
        self._left = dies_at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    self._left = None
                    raise _Death
            return found(*args, **kwargs)

        return call


class Race:
    """A copy of a world in which deliveries of one key meet."""

    def __init__(self, world: World, models: object, schedule: Schedule) -> None:
        self.data = replace(world.data, objects=dict(world.data.objects))
        self._world = world
        self._models = models
        self._store = Stepping(self.data, schedule)
        self.schedule = schedule
        self._puts = 0

    def put(self, body: bytes) -> Upload:
        self._puts += 1
        self._store.write(KEY, body, content_type="image/png")
        return Upload(KEY, md5(body, usedforsecurity=False).hexdigest(), f"{0x55AED6DCD90281E5 + self._puts:016X}")

    def delete(self) -> None:
        self._store.delete(KEY)

    def deliver(self, upload: Upload, *, dies_at: int | None = None) -> None:
        """Preprocess and infer, each again for as long as its message comes back; the process may die at one call."""
        store, queue = _Dying(self._store, dies_at), FakeQueue()
        ingest = IngestService(
            data=store,
            grants=self._world.grants,
            resolver=self._world.resolver(),
            files=self._world.files,
            queue=queue,
            batches=self._world.uploaded_batches,
            max_upload_bytes=5_000,
        )
        _until_done(lambda: ingest.ingest(upload))
        infer = InferService(data=store, models=self._models)
        for body, _ in queue.sent:
            message = msgspec.json.decode(body, type=TensorMessage)
            _until_done(lambda message=message: infer.infer(message))

    def outcome(self) -> tuple[str, dict]:
        """Return the only outcome's key and what it says."""
        (key,) = [key for key in (RESULT, ERROR) if key in self.data.objects]
        return key, json.loads(self.data.objects[key])

    def check(self, last: bytes, trace: list[str]) -> None:
        key, told = self.outcome()
        assert told["source_etag"] == md5(last, usedforsecurity=False).hexdigest(), trace
        if KEY in self.data.objects:
            assert (key == RESULT) is (last in GOOD), (told, trace)


def _until_done(work: Callable[[], LambentError | None]) -> None:
    for _ in range(DELIVERIES):
        try:
            work()
        except (Unavailable, _Death):
            continue
        return
    raise AssertionError("never done")


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    world.publish()
    return world


@pytest.fixture(scope="module")
def models(world: World) -> object:
    return world.models()


def name(body: bytes) -> str:
    return {DARK: "dark", BRIGHT: "bright", BAD: "bad", WORSE: "worse"}[body]


PAIRS = pytest.mark.parametrize(("first", "second"), [(DARK, BRIGHT), (DARK, BAD), (BAD, DARK), (BAD, WORSE)], ids=name)
STEPS = 14
Story = Callable[[Race], list[Actor]]


def play(world: World, models: object, story: Story, *, last: bytes, most_switches: int) -> int:
    """Play a story in all orders and check each end; return how many they were."""
    runs = 0
    for schedule in all_schedules(most_switches=most_switches):
        race = Race(world, models, schedule)
        schedule.run(story(race))
        race.check(last, schedule.trace)
        runs += 1
    return runs


@PAIRS
def test_whatever_the_order_the_outcome_is_that_of_the_bytes_put_last(
    world: World, models: object, first: bytes, second: bytes
) -> None:
    def story(race: Race) -> list[Actor]:
        old = race.put(first)
        return [lambda: race.deliver(old), lambda: race.deliver(race.put(second))]

    assert play(world, models, story, last=second, most_switches=2) > 20


@PAIRS
def test_events_that_come_twice_change_nothing(world: World, models: object, first: bytes, second: bytes) -> None:
    def story(race: Race) -> list[Actor]:
        old = race.put(first)
        return [lambda: race.deliver(old), lambda: race.deliver(race.put(second)), lambda: race.deliver(old)]

    assert play(world, models, story, last=second, most_switches=1) > 20


@PAIRS
def test_of_an_upload_that_was_deleted_the_outcome_is_still_that_of_its_newest_bytes(
    world: World, models: object, first: bytes, second: bytes
) -> None:
    """S3's sequencer tells which of two events is the newer one, once there is no object left to look at."""

    def story(race: Race) -> list[Actor]:
        old = race.put(first)

        def overwrite_and_delete() -> None:
            new = race.put(second)
            race.delete()
            race.deliver(new)

        return [lambda: race.deliver(old), overwrite_and_delete]

    assert play(world, models, story, last=second, most_switches=2) > 20


@PAIRS
def test_the_first_bytes_put_again_have_their_outcome_again(
    world: World, models: object, first: bytes, second: bytes
) -> None:
    def story(race: Race) -> list[Actor]:
        old = race.put(first)

        def overwrite_twice() -> None:
            race.deliver(race.put(second))
            race.deliver(race.put(first))

        return [lambda: race.deliver(old), overwrite_twice]

    assert play(world, models, story, last=first, most_switches=2) > 20


@PAIRS
def test_a_process_that_dies_at_any_call_leaves_no_stale_outcome_behind(
    world: World, models: object, first: bytes, second: bytes
) -> None:
    def story(race: Race, dies_at: int) -> list[Actor]:
        old = race.put(first)
        return [lambda: race.deliver(old, dies_at=dies_at), lambda: race.deliver(race.put(second))]

    for dies_at in range(STEPS):
        play(world, models, partial(story, dies_at=dies_at), last=second, most_switches=1)


@PAIRS
def test_without_a_racer_nobody_ever_sees_a_result_and_an_error_at_once(
    world: World, models: object, first: bytes, second: bytes
) -> None:
    seen: set[tuple[bool, bool]] = set()

    def story(race: Race) -> list[Actor]:
        race.schedule.on_step = lambda: seen.add((RESULT in race.data.objects, ERROR in race.data.objects))
        return [lambda: (race.deliver(race.put(first)), race.deliver(race.put(second)))]

    play(world, models, story, last=second, most_switches=0)

    assert seen >= {(False, False), (second in GOOD, second not in GOOD)}
    assert (True, True) not in seen
