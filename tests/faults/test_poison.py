"""An input that ends the process which works on it: told to its owner, kept for operators, and no neighbour pays.

Every event is handled by a process of its own, forked from this one, on a real store. The template gives a function one
message at a time; here events have five, so that a crash has neighbours to take along.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from poison_place import HANG_S, KINDS, TOLD, Executions, PoisonQueue, Waiting, strike
from stored_world import DATA, open_world, put_manifest

from builders import TENANT, World, picture, request, tell_shade
from lambent.adapters.isolated_interpreter import IsolatedLoader
from lambent.adapters.sacrificial_child import ForkedComputing
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.messages import CallMessage, TensorMessage, read_infer_message
from lambent.contracts.notifications import JobNotification, NotifyMessage, WebhookTarget
from lambent.domain.call import Call, Operation
from lambent.domain.job_states import JobState
from lambent.domain.model import LIVE, ModelChoice
from lambent.domain.names import CALL_OUTCOME_FILE, job_key, work_key
from lambent.domain.preprocessing.image import ImagePreprocessor
from lambent.runtime.stall_watch import STALL_WATCH
from lambent.services.answer_call import CallService
from lambent.services.answer_later import AnswerLaterService
from lambent.services.deliver_webhook import DeliverWebhookService
from lambent.services.infer import InferService
from lambent.services.ingest import IngestService
from lambent.services.isolated_models import IsolatedModels
from lambent.services.load_model import ModelCache, Models
from lambent.services.predict import PredictService
from lambent.services.run_call import RunCallService
from lambent.services.submit_job import new_job
from lambent.services.watched_models import WatchedModels
from lambent_toolkit.fakes import FakeGrantStore, FakeInterpreterLoader, FakeThroughputStore
from patience import PATIENCE_S
from programs import load_function

GOOD = [10, 60, 110, 160]
POISON = 250
LEVELS = [*GOOD[:2], POISON, *GOOD[2:]]
MAX_RECEIVES = 5
SETTINGS = SimpleNamespace(max_receive_count=MAX_RECEIVES, data_bucket=DATA)


@pytest.fixture
def world(environment: dict[str, str]) -> World:
    opened = open_world()
    for queue in (opened.infer_queue, opened.batch_queue):
        taken(queue)
    return opened


@pytest.fixture
def executions(tmp_path: Path) -> Executions:
    (tmp_path / "executions").touch()
    return Executions(tmp_path / "executions")


class Trap:
    """Notes each item by its brightness, and does what ``kind`` says to the process that works on the poison."""

    def __init__(self, kind: str, executions: Executions) -> None:
        self.kind, self._executions = kind, executions
        self.is_armed = False
        self.limit_s = PATIENCE_S

    def note(self, level: int) -> None:
        if self.is_armed:
            self._executions.note(str(level))
            if level == POISON:
                strike(self.kind)

    def answer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.note(round(float(inputs["image"].max()) * 255))
        return tell_shade(inputs)

    def computing(self) -> ForkedComputing:
        return ForkedComputing(limit_s=lambda: self.limit_s, memory_bytes=8 << 30)

    def within(self, _: float) -> AbstractContextManager[None]:
        """Watch what is computed in the function's process, by this trap's own limit."""
        return STALL_WATCH.within(self.limit_s)

    def hold(self, receipt: str, *, pause_s: int) -> None:
        """Note that a message is shown again, as its queue."""
        assert receipt
        assert pause_s
        self._executions.note("shown")

    def models(self, world: World) -> tuple[Models, Models]:
        """Return the versions as the function has them, and those in processes of their own; loaded, then armed."""
        loader = FakeInterpreterLoader(self.answer)
        world.loader = loader
        here, computing = WatchedModels(world.models(), self, limit_s=PATIENCE_S), self.computing()
        isolated = IsolatedLoader(loader, computing, platform="x")
        cache = ModelCache(world.files, isolated, world.clock, capacity_bytes=1_000_000)
        apart = IsolatedModels(cache, computing, make_room=lambda: None)
        ref = world.resolver(0.0).resolve(ModelChoice("shade", label=LIVE))
        for models in (here, apart):
            models.get(ref)
        self.is_armed = True
        return here, apart


class Limited:
    """A service whose processes get little time while what hangs is in hand, and all that they want otherwise."""

    def __init__(self, service: Any, trap: Trap, is_poison: Callable[[Any], bool]) -> None:
        self._service, self._trap, self._is_poison = service, trap, is_poison

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._service, name)

        def call(*arguments: Any) -> Any:
            is_to_hang = self._trap.kind == "hang" and self._is_poison(arguments)
            self._trap.limit_s = HANG_S if is_to_hang else PATIENCE_S
            return method(*arguments)

        return call


def patch(module: ModuleType, **services: Any) -> None:
    """Let a function, or the modules beside its own that it takes from, have services of the test's."""
    beside = [sys.modules[each.__module__] for each in vars(module).values() if is_beside(module, each)]
    for name, service in services.items():
        users = [each for each in (module, *beside) if hasattr(each, name)]
        assert users
        for user in users:
            setattr(user, name, lambda service=service: service)


def is_beside(module: ModuleType, taken: Any) -> bool:
    """Return whether a function's module has something from a file in its own folder."""
    source = getattr(sys.modules.get(getattr(taken, "__module__", None) or ""), "__file__", None)
    return source is not None and Path(source).parent == Path(module.__file__ or "").parent


def drained(function: ModuleType, wire: Callable[[], None], messages: list[Waiting]) -> PoisonQueue:
    """Deliver messages in one event of all of them, then what came back, until nothing is left."""
    queue = PoisonQueue(function, wire, MAX_RECEIVES, len(messages), waiting=messages)
    queue.drain()
    return queue


def taken(queue: Any) -> list[dict[str, str]]:
    """Take all that lies in a queue: bodies and attributes."""
    sqs, url = queue._client, queue._url
    letters: list[dict[str, str]] = []
    while True:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        if not answer.get("Messages"):
            return letters
        for message in answer["Messages"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            attributes = {name: each["StringValue"] for name, each in message.get("MessageAttributes", {}).items()}
            letters.append({"body": message["Body"], **attributes})


def uploaded(world: World, stem: str) -> dict[str, Any]:
    """Return the one outcome of an upload; a result and an error together are a fault."""
    found = [f"{stem}{end}" for end in (".json", ".error.json") if world.data.etag(f"{stem}{end}") is not None]
    assert len(found) == 1
    outcome: dict[str, Any] = json.loads(world.data.read(found[0]).body)
    return outcome


def check_neighbours(queue: PoisonQueue, executions: Executions, kind: str) -> None:
    assert queue.moved == []
    assert queue.deaths == (0 if kind == "exception" else 1)
    # What never ends would cost the function's timeout, and its queue's after that: its process ends itself before.
    assert ("it ended with status 75" in queue.ends) is (kind == "hang")
    assert executions.of("shown") == (queue.batch if kind == "hang" else 0)
    assert all(1 <= executions.of(str(level)) <= 2 for level in GOOD), "a neighbour is worked on at most once more"
    assert executions.of(str(POISON)) <= 2


def check_letters(world: World, kind: str, body: str) -> None:
    (letter,) = taken(world.batch_queue)
    assert (letter["body"], letter["reason_code"]) == (body, "processing_crashed")
    assert TOLD[kind] in letter["reason"]


def check_failure(error: dict[str, Any], kind: str) -> None:
    assert (error["code"], error["retryable"]) == ("processing_crashed", False)
    assert TOLD[kind] in error["detail"]


def tensor_message(world: World, kind: str, level: int) -> Waiting:
    key = f"inbox/{TENANT}/shade/{kind}/{level}.png"
    world.data.write(key, picture(level), content_type="image/png")
    buffer = BytesIO()
    np.savez(buffer, image=np.full((2, 2, 1), level / 255, np.float32))
    tensor_key = work_key(TENANT, f"{kind}{level}")
    world.data.write(tensor_key, buffer.getvalue(), content_type="application/octet-stream")
    message = TensorMessage(
        tenant=TENANT, model="shade", version=1, tensor_key=tensor_key, source_key=key, source_name=f"{level}.png",
        result_stem=f"results/{TENANT}/shade/{kind}/{level}.png", source_etag=str(world.data.etag(key)),
    )  # fmt: skip
    return Waiting(str(level), msgspec.json.encode(message).decode())


def is_poison(message: TensorMessage) -> bool:
    return message.source_name == f"{POISON}.png"


@pytest.mark.parametrize("kind", KINDS)
def test_of_uploads_in_inference_the_poison_alone_fails_and_is_told(
    world: World, executions: Executions, kind: str
) -> None:
    infer, messages = load_function("infer"), [tensor_message(world, kind, level) for level in LEVELS]
    poison = messages[LEVELS.index(POISON)].body

    def wire() -> None:
        mine, trap = open_world(), Trap(kind, executions)
        here, apart = (
            Limited(InferService(data=mine.data, models=models), trap, lambda arguments: is_poison(arguments[0]))
            for models in trap.models(mine)
        )
        patch(
            infer,
            infer_service=here,
            isolated_infer_service=apart,
            infer_dead_letters=mine.batch_queue,
            infer_queue=trap,
            infer_settings=SETTINGS,
        )

    queue = drained(infer, wire, messages)

    check_neighbours(queue, executions, kind)
    for level in GOOD:
        assert uploaded(world, f"results/{TENANT}/shade/{kind}/{level}.png")["source"] == f"{level}.png"
    check_failure(uploaded(world, f"results/{TENANT}/shade/{kind}/{POISON}.png"), kind)
    check_letters(world, kind, poison)


def accepted_call(world: World, level: int) -> str:
    later = AnswerLaterService(
        data=world.data, jobs=world.jobs, queue=world.infer_queue, resolver=world.resolver(0.0), files=world.files,
        clock=world.clock, retention_days=1,
    )  # fmt: skip
    call = Call(
        Operation.MEDIA_PREDICT, ModelChoice("shade"), picture(level), {"content-type": "image/png"}, {"top_k": "1"}
    )
    return later.accept(TENANT, call, idempotency_key=None).job_id


@pytest.mark.parametrize("kind", KINDS)
def test_of_calls_for_later_the_poison_alone_fails_and_is_told(world: World, executions: Executions, kind: str) -> None:
    infer, jobs = load_function("infer"), {level: accepted_call(world, level) for level in LEVELS}
    bodies = {
        level: msgspec.json.encode(CallMessage(tenant=TENANT, job_id=job_id)).decode() for level, job_id in jobs.items()
    }

    def run_call(mine: World, models: Models) -> RunCallService:
        mine.throughputs = FakeThroughputStore()
        calls = CallService(PredictService(mine.resolver(0.0), models))
        return RunCallService(data=mine.data, jobs=mine.jobs, calls=calls, finisher=mine.finisher, clock=mine.clock)

    def wire() -> None:
        mine, trap = open_world(), Trap(kind, executions)
        here, apart = (
            Limited(run_call(mine, models), trap, lambda arguments: arguments[1] == jobs[POISON])
            for models in trap.models(mine)
        )
        patch(
            infer,
            run_call_service=here,
            isolated_run_call_service=apart,
            infer_dead_letters=mine.batch_queue,
            infer_queue=trap,
            infer_settings=SETTINGS,
        )

    queue = drained(infer, wire, [Waiting(str(level), body) for level, body in bodies.items()])

    check_neighbours(queue, executions, kind)
    ended = {level: world.jobs.head(TENANT, job_id) for level, job_id in jobs.items()}
    assert {level: job.state for level, job in ended.items() if job is not None} == {
        level: JobState.FAILED if level == POISON else JobState.SUCCEEDED for level in LEVELS
    }
    check_failure(json.loads(world.data.read(job_key(TENANT, jobs[POISON], CALL_OUTCOME_FILE)).body)["error"], kind)
    check_letters(world, kind, bodies[POISON])


def upload_record(world: World, kind: str, level: int) -> dict[str, Any]:
    key = f"inbox/{TENANT}/shade/prepared-{kind}/{level}.png"
    world.data.write(key, picture(level), content_type="image/png")
    entity = {"bucket": {"name": DATA}, "object": {"key": key, "eTag": world.data.etag(key)}}
    return {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": entity}


@pytest.mark.parametrize("is_one_message", [False, True], ids=["a message each", "one message"])
@pytest.mark.parametrize("kind", KINDS)
def test_of_uploads_in_preprocessing_the_poison_alone_fails_and_is_told(
    world: World, executions: Executions, monkeypatch: pytest.MonkeyPatch, kind: str, is_one_message: bool
) -> None:
    preprocess, levels = load_function("preprocess"), {picture(level): level for level in LEVELS}
    records = [upload_record(world, kind, level) for level in LEVELS]
    bodies = [json.dumps({"Records": part}) for part in ([records] if is_one_message else [[each] for each in records])]
    prepare, armed = ImagePreprocessor.prepare, Trap(kind, executions)

    def prepared(self: ImagePreprocessor, item: bytes) -> dict[str, np.ndarray]:
        if item in levels:
            armed.note(levels[item])
        return prepare(self, item)

    monkeypatch.setattr(ImagePreprocessor, "prepare", prepared)
    monkeypatch.setattr(armed, "is_armed", True)

    def ingest(mine: World, computing: ForkedComputing | None) -> IngestService:
        return IngestService(
            data=mine.data, grants=FakeGrantStore(), resolver=mine.resolver(0.0), files=mine.files,
            queue=mine.infer_queue, batches=mine.uploaded_batches, max_upload_bytes=100_000, computing=computing,
            watch=armed, limit_s=PATIENCE_S,
        )  # fmt: skip

    def wire() -> None:
        mine = open_world()
        here, apart = (
            Limited(ingest(mine, computing), armed, lambda arguments: arguments[0].key.endswith(f"/{POISON}.png"))
            for computing in (None, armed.computing())
        )
        patch(
            preprocess, ingest_service=here, isolated_ingest_service=apart,
            preprocess_settings=SETTINGS, upload_dead_letters=mine.batch_queue, preprocess_queue=armed,
        )  # fmt: skip

    queue = drained(preprocess, wire, [Waiting(body, body) for body in bodies])

    check_neighbours(queue, executions, kind)
    sent = {read_infer_message(each["body"]).source_name for each in taken(world.infer_queue)}
    assert sent == {f"{level}.png" for level in GOOD}
    check_failure(uploaded(world, f"results/{TENANT}/shade/prepared-{kind}/{POISON}.png"), kind)
    check_letters(world, kind, next(body for body in bodies if f"/{POISON}.png" in body))


def strikes_always(*_: object, **__: object) -> None:
    strike("segfault")


def test_a_batch_request_that_ends_every_process_is_a_failed_job_at_its_last_receive(world: World) -> None:
    dispatch, uri = load_function("dispatch"), put_manifest(world, "poison", 3)
    asked = {name: request(id=name, lane="cpu", input=BatchInput(manifest_uri=uri)) for name in ("good", "poison")}

    class Poisoned:
        def __init__(self, service: Any) -> None:
            self._service = service
            self.give_up, self.is_planned = service.give_up, service.is_planned

        def dispatch(self, tenant: str, body: str) -> Any:
            return strikes_always() if '"poison"' in body else self._service.dispatch(tenant, body)

    def wire() -> None:
        mine = open_world()
        mine.throughputs = FakeThroughputStore()
        service = Poisoned(mine.dispatcher(is_gpu_deployed=False))
        patch(dispatch, dispatch_service=service, batch_dead_letters=mine.batch_queue, dispatch_settings=SETTINGS)

    messages = [Waiting(name, msgspec.json.encode(each).decode(), TENANT) for name, each in asked.items()]
    queue = PoisonQueue(dispatch, wire, MAX_RECEIVES, 1, waiting=messages)
    queue.drain()

    good, poison = (world.jobs.head(TENANT, name) for name in asked)
    assert (queue.deaths, queue.moved) == (MAX_RECEIVES - 1, [])
    assert good is not None
    assert (good.shards, good.error) == (2, None)
    assert poison is not None
    assert poison.state is JobState.FAILED
    assert poison.error is not None
    assert (poison.error["code"], poison.error["limit"]) == ("processing_gave_up", MAX_RECEIVES)
    (letter,) = taken(world.batch_queue)
    assert (letter["reason_code"], json.loads(letter["body"])["id"]) == ("processing_gave_up", "poison")


def test_a_webhook_that_ends_every_process_is_given_up_at_its_last_receive(world: World) -> None:
    notify = load_function("notify")
    target = JobNotification(webhook=WebhookTarget(url="https://example.com/hook"))
    job = new_job(TENANT, request(id="hooked", notification=target), clock=world.clock, retention_days=1)
    world.jobs.create(job)
    world.jobs.transition(TENANT, "hooked", JobState.FAILED, allowed=[JobState.QUEUED], at=world.clock.now())
    body = msgspec.json.encode(NotifyMessage(tenant=TENANT, job_id="hooked")).decode()

    def wire() -> None:
        mine = open_world()
        service = DeliverWebhookService(
            jobs=mine.jobs, secrets=None, sender=None, clock=mine.clock, trusted_hosts=(), jitter=lambda: 0.0
        )  # fmt: skip
        service.deliver = strikes_always
        patch(notify, deliver_webhook_service=service, notify_dead_letters=mine.batch_queue, notify_settings=SETTINGS)

    queue = PoisonQueue(notify, wire, MAX_RECEIVES, 1, waiting=[Waiting("hook", body)])
    queue.drain()

    ended = world.jobs.head(TENANT, "hooked")
    assert (queue.deaths, queue.moved) == (MAX_RECEIVES - 1, [])
    assert ended is not None
    assert ended.webhook is not None
    assert (ended.webhook.state, ended.webhook.attempts) == ("given_up", 0)
    (letter,) = taken(world.batch_queue)
    assert (letter["reason_code"], letter["body"]) == ("processing_gave_up", body)
