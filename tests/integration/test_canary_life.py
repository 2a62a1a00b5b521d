"""Labels move under traffic: no request fails, every answer is of the version it says, keys stick; writers race."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Event, Thread

import httpx
import pytest
from published import publish_shade
from scipy.stats import binom
from typer.testing import CliRunner

from builders import picture
from lambent.domain.model import LIVE, Canary, ModelRef, VersionRecord, VersionState
from lambent.domain.rollout import gets_canary
from lambent.errors import Conflict, RequestInvalid
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S, wait_for

MODEL, STICKY = "rollout", "sticky"
SHADE = Path(__file__).parents[1] / "fixtures" / "shade.float32.tflite"
CLIENTS = 4
IN_A_ROW = 60


@dataclass
class Rolled:
    """A model whose versions 1 and 2 answer differently."""

    stack: LocalStack
    rollout: Rollout

    def client(self) -> httpx.Client:
        info = self.stack.info
        return httpx.Client(base_url=info.url, headers={"x-api-key": info.api_key}, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def rolled(stack: LocalStack) -> Rolled:
    for number in (1, 2):
        publish_shade(stack.info, name=MODEL, labels=(f"dark-{number}", f"bright-{number}"))
    rollout = Rollout(stack.info, by="ann")
    rollout.set_label(MODEL, LIVE, 1)
    return Rolled(stack, rollout)


def post(client: httpx.Client, key: str | None = None, *, model: str = MODEL, **more: str) -> httpx.Response:
    headers = {"content-type": "image/png", **({} if key is None else {"lambent-request-key": key}), **more}
    return client.post(f"/models/{model}/predict", content=picture(200), headers=headers)


def version_of(answer: httpx.Response, *, model: str = MODEL) -> int:
    """Return the version that an answer says, which must be the one whose label it holds."""
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert answer.headers["lambent-model"] == f"{model}@{said['version']}"
    assert said["predictions"][0]["label"] == f"bright-{said['version']}"
    return int(said["version"])


@dataclass
class Traffic:
    """Clients that post until they are stopped."""

    rolled: Rolled
    stop: Event = field(default_factory=Event)
    versions: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self, number: int) -> None:
        with self.rolled.client() as client:
            count = 0
            while not self.stop.is_set():
                count += 1
                try:
                    self.versions.append(version_of(post(client, f"client-{number}-{count}")))
                except (AssertionError, httpx.HTTPError) as exc:
                    self.failures.append(repr(exc))


def answers(traffic: Traffic, versions: set[int]) -> bool:
    """Look whether the newest answers, of all environments that the traffic keeps busy, are of just these versions."""
    newest = traffic.versions[-IN_A_ROW:]
    return len(newest) == IN_A_ROW and set(newest) == versions


def test_no_request_fails_while_the_label_moves_and_every_answer_is_of_the_version_it_says(rolled: Rolled) -> None:
    rolled.rollout.set_label(MODEL, LIVE, 1)
    traffic = Traffic(rolled)
    threads = [Thread(target=traffic.run, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    rollout = rolled.rollout
    moves: list[tuple[Callable[[], object], set[int]]] = [
        (lambda: None, {1}),
        (lambda: rollout.set_label(MODEL, LIVE, 2), {2}),
        (lambda: rollout.rollback(MODEL, LIVE), {1}),
        (lambda: rollout.start_canary(MODEL, LIVE, 2, 3_000), {1, 2}),
        (lambda: rollout.start_canary(MODEL, LIVE, 2, 7_000), {1, 2}),
        (lambda: rollout.rollback(MODEL, LIVE), {1}),
        (lambda: rollout.start_canary(MODEL, LIVE, 2, 5_000), {1, 2}),
        (lambda: rollout.promote(MODEL, LIVE), {2}),
    ]
    try:
        for move, versions in moves:
            move()
            # Environments remember a label for a while: the next move comes once this one is seen.
            wait_for(lambda wanted=versions: answers(traffic, wanted) or traffic.failures, what=f"versions {versions}")
    finally:
        traffic.stop.set()
        for thread in threads:
            thread.join()

    assert traffic.failures == []


def test_a_canary_gets_its_share_and_a_key_its_version_at_every_door(rolled: Rolled) -> None:
    # A model of its own: no environment remembers a label that was there before the canary.
    for number in (1, 2):
        publish_shade(rolled.stack.info, name=STICKY, labels=(f"dark-{number}", f"bright-{number}"))
    rolled.rollout.set_label(STICKY, LIVE, 1)
    rolled.rollout.start_canary(STICKY, LIVE, 2, 2_000)
    canary = Canary(2, 2_000)
    keys = [f"user-{number}" for number in range(400)]
    with rolled.client() as client:
        answers = {key: post(client, key, model=STICKY) for key in keys}
        later = {key: post(client, key, model=STICKY, prefer="respond-async") for key in keys[:10]}

        told = {
            key: (version_of(answer, model=STICKY), answer.headers["lambent-canary"]) for key, answer in answers.items()
        }
        low, high = binom.interval(0.999, len(keys), 0.2)
        assert low <= sum(version == 2 for version, _ in told.values()) <= high
        for key, (version, flag) in told.items():
            assert (version == 2, flag) == (gets_canary(STICKY, LIVE, canary, key), str(version == 2).lower())
        for key, accepted in later.items():
            assert (accepted.headers["lambent-model"], accepted.headers["lambent-canary"]) == (
                f"{STICKY}@{told[key][0]}",
                told[key][1],
            )
            address = str(accepted.url.join(accepted.headers["location"]))
            result = wait_for(lambda at=address: ended(client, at), what="the answer of a call")
            assert (version_of(result, model=STICKY), result.headers["lambent-canary"]) == told[key]
        assert uploaded_version(rolled, picture(200)) == version_of(post(client, model=STICKY), model=STICKY)


def ended(client: httpx.Client, location: str) -> httpx.Response | None:
    answer = client.get(f"{location}/result")
    return answer if answer.status_code == 200 else None


def uploaded_version(rolled: Rolled, body: bytes) -> int:
    """Upload without a key: the bytes decide, as they do over HTTP."""
    info, name = rolled.stack.info, f"{random.randrange(10**9)}.png"
    s3, bucket = info.client("s3"), info.buckets["data"]
    s3.put_object(Bucket=bucket, Key=f"inbox/demo/{STICKY}/{name}", Body=body)

    def result() -> bytes | None:
        try:
            return s3.get_object(Bucket=bucket, Key=f"results/demo/{STICKY}/{name}.json")["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None

    told = json.loads(wait_for(result, what="the upload's result"))
    assert told["canary"] == (told["version"] == "2")
    return int(told["version"])


def test_of_many_writers_each_move_has_one_winner_and_the_history_has_them_all(rolled: Rolled) -> None:
    name, writers, rounds = "raced", 4, 8
    registry = rolled.rollout.registry
    for number in (1, 2, 3):
        registry.add_version(VersionRecord(ModelRef(name, number), "0" * 64, "2026-11-24T00:00:00.000Z"))
    rolled.rollout.set_label(name, LIVE, 1)
    barrier, won, lost = Barrier(writers), [], []

    def write(number: int) -> None:
        rollout, chance = Rollout(rolled.stack.info, by=f"writer-{number}"), random.Random(number)
        for _ in range(rounds):
            barrier.wait()
            moves = [
                lambda: rollout.set_label(name, LIVE, chance.choice([1, 2, 3])),
                lambda: rollout.start_canary(name, LIVE, chance.choice([1, 2, 3]), 1_000),
                lambda: rollout.promote(name, LIVE),
                lambda: rollout.rollback(name, LIVE),
            ]
            try:
                won.append((chance.choice(moves)().revision, f"writer-{number}"))
            except (Conflict, RequestInvalid) as exc:
                lost.append(exc)

    threads = [Thread(target=write, args=[number]) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) + len(lost) == writers * rounds
    assert any(exc.code == "alias_conflict" and "writer-" in exc.detail for exc in lost)
    moves = [(move.revision, move.change.by) for move in rolled.rollout.history(name, LIVE)]
    assert moves == [(1, "ann"), *sorted(won)]
    assert [revision for revision, _ in moves] == list(range(1, len(moves) + 1))


def test_a_label_never_ends_on_a_version_that_is_retired_at_the_same_time(rolled: Rolled) -> None:
    name, numbers = "contested", range(2, 14)
    registry = rolled.rollout.registry
    for number in (1, *numbers):
        registry.add_version(VersionRecord(ModelRef(name, number), "0" * 64, "2026-11-24T00:00:00.000Z"))
    setter, retirer = Rollout(rolled.stack.info, by="setter"), Rollout(rolled.stack.info, by="retirer")

    done: list[tuple[bool, bool]] = []
    for number in numbers:
        barrier = Barrier(2)
        is_set = Attempt(barrier, lambda number=number: setter.set_label(name, "trial", number))
        is_retired = Attempt(barrier, lambda number=number: retirer.retire(ModelRef(name, number)))
        done.append((is_set.is_done(), is_retired.is_done()))

        trial = registry.label(name, "trial")
        assert trial is None or registry.version(ModelRef(name, trial.version)).state is VersionState.ACTIVE

    assert set(done) <= {(True, False), (False, True)}


class Attempt(Thread):
    """A change that is made at the same time as another one, and may be refused as a conflict."""

    def __init__(self, barrier: Barrier, change: Callable[[], object]) -> None:
        super().__init__()
        self.barrier, self.change, self.outcome = barrier, change, None
        self.start()

    def run(self) -> None:
        self.barrier.wait()
        try:
            self.outcome = self.change() is not None
        except Conflict:
            self.outcome = False

    def is_done(self) -> bool:
        self.join()
        assert self.outcome is not None, "it raised something else"
        return self.outcome


def labels_listed(shown: str) -> dict[tuple[str, str], list[str]]:
    """Return the labels of each model and version of `lambent models`: a line has one, the first line the version."""
    heading, *lines = shown.splitlines()
    start, end = heading.index("labels"), heading.index("state")
    listed: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        if version := line[:start].split():
            labels = listed.setdefault((version[0], version[1]), [])
        labels.append(line[start:end].strip())
    return listed


def test_a_version_is_rolled_out_and_taken_back_by_the_commands_that_a_person_types(rolled: Rolled) -> None:
    state = Path(rolled.stack.info.logs).parent

    def lambent(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--state", str(state)])
        assert result.exit_code == 0, result.output
        return result.output

    def refused(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--state", str(state)])
        assert result.exit_code == 20, result.output
        return result.stderr

    lambent("label", "set", MODEL, "cli", "1", "--by", "ann")
    started = lambent("canary", MODEL, "2", "--weight", "12.5%", "--label", "cli", "--why", "try it", "--by", "ann")
    listed = lambent("models")
    in_use = refused("retire", MODEL, "2")
    stale = refused("promote", MODEL, "--label", "cli", "--revision", "1")
    lambent("promote", MODEL, "--label", "cli", "--by", "bob")
    lambent("rollback", MODEL, "--label", "cli", "--by", "bob", "--why", "too slow")
    history = lambent("label", "history", MODEL, "cli")
    compared = lambent("diff", MODEL, "1", "2")
    cleared = lambent("gc")

    assert "cli → version 1, canary version 2 at 12.5% (revision 2)" in started
    assert "cli (canary 12.5%)" in labels_listed(listed)[MODEL, "2"]
    assert "cli" in labels_listed(listed)[MODEL, "1"]
    assert "label cli (canary at 12.5%)" in in_use
    assert "version_in_use" in in_use
    assert re.search(r"moved by ann at .*: try it, to version 1 with canary 2 at 12.5% \(revision 2\)", stale)
    rows = [line.split()[:3] for line in history.splitlines()[1:]]
    assert rows == [["4", "rollback", "1"], ["3", "promote", "2"], ["2", "canary", "1"], ["1", "set", "1"]]
    assert "too slow" in history
    assert "postprocessing.labels" in compared
    assert "contract.json" in compared
    assert "Nothing" in cleared
