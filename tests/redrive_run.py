"""Dead letters of all kinds, read by the sweep and then redriven, some of them twice: one outcome each.

In process, on fakes: `run` takes numbers and a seed, so that a test asks for a few letters and a soak for many.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from random import Random

import msgspec

from builders import TENANT, World, picture, request
from lambent.contracts.messages import CallMessage, ShardMessage, TensorMessage, read_infer_message
from lambent.domain.call import Call, Operation
from lambent.domain.dead_letters import BATCH, INFER, UPLOAD, DeadLetter
from lambent.domain.job import Job
from lambent.domain.job_states import JobState
from lambent.domain.model import ModelChoice
from lambent.errors import LambentError, Unavailable
from lambent.services.answer_call import CallService
from lambent.services.answer_later import AnswerLaterService
from lambent.services.fail_call import CallFailer
from lambent.services.fail_shard import ShardFailer
from lambent.services.fail_upload import UploadFailer
from lambent.services.infer import InferService
from lambent.services.ingest import IngestService, Upload
from lambent.services.predict import PredictService
from lambent.services.read_dead_letters import DeadLetterReader, Listeners
from lambent.services.record_dead_letter import DeadLetterRecorder, Failers
from lambent.services.run_call import RunCallService
from lambent.services.send_job import JobSender
from lambent.services.sweep import SweepService
from lambent.services.track import TrackService
from lambent_toolkit.fakes import FakeDeadLetters, FakeDeathLedger

KINDS = ("event", "tensor", "call", "batch", "shard")
DARK, BRIGHT = picture(0), picture(255)
_DELIVERIES = 200
_STUCK_AFTER_S = 60


@dataclass
class RedriveRun:
    """One run: what was accepted, and where its messages lie."""

    seed: int
    world: World = field(default_factory=World)
    ledger: FakeDeathLedger = field(default_factory=FakeDeathLedger)
    letters: dict[str, list[DeadLetter]] = field(default_factory=lambda: {UPLOAD: [], INFER: [], BATCH: []})
    stems: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Publish the model that all of it asks for."""
        self.chance = Random(self.seed)
        self.world.publish()
        self.world.put_items(DARK, BRIGHT)
        self.models = self.world.models()

    def accept(self, number: int) -> None:
        """Accept one piece of work of a kind by chance; its message dies."""
        getattr(self, f"_accept_{self.chance.choice(KINDS)}")(number)

    def _accept_event(self, number: int) -> None:
        key, etag = self._put(number)
        event = {
            "eventSource": "aws:s3", "eventVersion": "2.1", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "fake-bucket"}, "object": {"key": key, "eTag": etag}},
        }  # fmt: skip
        self._die(UPLOAD, json.dumps({"Records": [event]}).encode())

    def _accept_tensor(self, number: int) -> None:
        key, etag = self._put(number)
        self._ingest().ingest(Upload(key, etag))
        self._die(INFER, self._sent())

    def _accept_call(self, number: int) -> None:
        headers = {"content-type": "image/png", "accept-encoding": "gzip"}
        asked = Call(Operation.MEDIA_PREDICT, ModelChoice("shade"), DARK, headers, {"top_k": "2"})
        accepted = AnswerLaterService(
            data=self.world.data, jobs=self.world.jobs, queue=self.world.infer_queue,
            resolver=self.world.resolver(0.0), files=self.world.files, clock=self.world.clock, retention_days=30,
        ).accept(TENANT, asked, idempotency_key=f"call-{number}")  # fmt: skip
        self.jobs.append(accepted.job_id)
        self._die(INFER, self._sent())

    def _accept_batch(self, number: int) -> None:
        job_id = f"batch-{number}"
        self.jobs.append(job_id)
        self._die(BATCH, msgspec.json.encode(request(id=job_id, lane="cpu")), tenant=TENANT)

    def _accept_shard(self, number: int) -> None:
        job_id = f"shard-{number}"
        self.jobs.append(job_id)
        self.world.dispatch(id=job_id, lane="cpu")
        self._die(INFER, self._sent())

    def _put(self, number: int) -> tuple[str, str]:
        key = f"inbox/{TENANT}/shade/{number}.png"
        self.world.data.write(key, self.chance.choice([DARK, BRIGHT]), content_type="image/png")
        self.stems.append(f"results/{TENANT}/shade/{number}.png")
        return key, str(self.world.data.etag(key))

    def _sent(self) -> bytes:
        ((body, _),) = self.world.infer_queue.sent
        self.world.infer_queue.sent.clear()
        return body

    def _die(self, queue: str, body: bytes, **attributes: str) -> None:
        message_id = f"{len(self.letters[queue]):06d}"
        self.letters[queue].append(DeadLetter(queue, message_id, body.decode(), attributes, message_id, 0.0, 5))

    def read(self) -> int:
        """Read the queues in passes that are cut off, and whose store fails, by chance; return how many it took."""
        queues = [FakeDeadLetters(name, letters, at_once=10) for name, letters in self.letters.items()]
        reader = DeadLetterReader(queues=queues, ledger=self.ledger, recorder=self._recorder(), clock=self.world.clock)
        told, passes = Listeners(on_record=lambda _: None, on_error=lambda *_: None), 0
        while len(self.ledger.records) < sum(map(len, self.letters.values())):
            self.world.data.before_call = self._fail_at_times
            left = iter([False] * self.chance.randint(1, 40))
            reader.read(told=told, should_stop=partial(next, left, True))
            self.world.data.before_call = lambda *_: None
            passes += 1
            for queue in queues:
                if not queue.depth().waiting:
                    queue.hidden.clear()  # as its time runs out
        return passes

    def sweep(self) -> None:
        """Sweep as SweepFunction does before each pass: jobs whose end was cut off are written down and told."""
        world = self.world
        service = SweepService(
            jobs=world.jobs,
            sender=JobSender(batches=world.batch_queue, calls=world.infer_queue, data=world.data),
            runner=world.runner,
            finisher=world.finisher,
            clock=world.clock,
            stuck_after_s=_STUCK_AFTER_S,
        )
        world.clock.advance(_STUCK_AFTER_S + 1)
        service.sweep(on_error=_unhealed)

    def _fail_at_times(self, _operation: str, _key: str) -> None:
        if self.chance.random() < 0.01:
            raise Unavailable("The data store did not answer; try again.")

    def _recorder(self) -> DeadLetterRecorder:
        world = self.world
        failers = Failers(
            uploads=UploadFailer(data=world.data, jobs=world.jobs),
            calls=CallFailer(data=world.data, finisher=world.finisher),
            shards=ShardFailer(data=world.data, jobs=world.jobs, advancer=world.advancer, clock=world.clock),
            finisher=world.finisher,
            track=TrackService(jobs=world.jobs, finisher=world.finisher, clock=world.clock),
        )
        return DeadLetterRecorder(
            data=world.data,
            jobs=world.jobs,
            failers=failers,
            clock=world.clock,
            bucket="fake-bucket",
            retention_days=30,
        )

    def redrive(self, duplicates: float) -> int:
        """Deliver every letter again in an order by chance, a part of them twice; return how many were delivered."""
        letters = [letter for each in self.letters.values() for letter in each]
        letters += self.chance.sample(letters, round(duplicates * len(letters)))
        self.chance.shuffle(letters)
        for letter in letters:
            self._deliver(letter.queue, letter.body)
        for _ in range(_DELIVERIES * len(letters)):
            if not self.world.infer_queue.sent:
                break
            self._deliver(INFER, self.world.infer_queue.sent.pop(0)[0].decode())
        return len(letters)

    def _deliver(self, queue: str, body: str) -> None:
        if queue == BATCH:
            self.world.dispatcher().dispatch(TENANT, body)
        elif queue == UPLOAD:
            record = json.loads(body)["Records"][0]["s3"]["object"]
            self._ingest().ingest(Upload(record["key"], record["eTag"]))
        else:
            self._infer(body)

    def _infer(self, body: str) -> None:
        world, message = self.world, read_infer_message(body)
        if isinstance(message, TensorMessage):
            InferService(data=world.data, models=self.models).infer(message)
        elif isinstance(message, CallMessage):
            calls = CallService(PredictService(world.resolver(0.0), self.models))
            RunCallService(
                data=world.data, jobs=world.jobs, calls=calls, finisher=world.finisher, clock=world.clock
            ).run(message.tenant, message.job_id)
        elif isinstance(message, ShardMessage):
            world.shards().run(message.tenant, message.job_id, message.shard)
            world.advancer.after_shard(message.tenant, message.job_id, slot=message.slot)

    def _ingest(self) -> IngestService:
        world = self.world
        return IngestService(
            data=world.data, grants=world.grants, resolver=world.resolver(), files=world.files,
            queue=world.infer_queue, batches=world.uploaded_batches, max_upload_bytes=5_000,
        )  # fmt: skip

    def outcomes(self) -> dict[str, int]:
        """Count what there is: results and failures of uploads, ends of jobs, what is missing, what is there twice."""
        counted: Counter[str] = Counter(results=0, failures=0, ended=0, lost=0, double=0)
        for stem in self.stems:
            there = [ending for ending in (".json", ".error.json") if f"{stem}{ending}" in self.world.data.objects]
            counted["results"] += ".json" in there
            counted["failures"] += ".error.json" in there
            counted["lost"] += not there
            counted["double"] += len(there) > 1
        told = Counter(notice["data"]["job_id"] for _, notice in self.world.notifier.announced)
        for job_id in self.jobs:
            job = self.world.jobs.get(TENANT, job_id)
            has_ended = job is not None and job.state.is_terminal
            counted["ended"] += has_ended
            counted["lost"] += not has_ended or not told[job_id]
            counted["double"] += told[job_id] > 1
            counted["succeeded"] += job is not None and job.state is JobState.SUCCEEDED
        return dict(counted)


def _unhealed(job: Job, error: LambentError) -> None:
    raise AssertionError(f"{job.job_id} could not be healed") from error


def run(*, letters: int, seed: int, duplicates: float = 0.2) -> dict[str, int | dict[str, int]]:
    """Accept work whose messages all die, read them, redrive them; return the counts after each step."""
    found = RedriveRun(seed)
    for number in range(letters):
        found.accept(number)
    passes = found.read()
    found.sweep()
    recorded = found.outcomes()
    delivered = found.redrive(duplicates)
    return {
        "seed": seed,
        "letters": letters,
        "passes": passes,
        "recorded": recorded,
        "delivered": delivered,
        "redriven": found.outcomes(),
    }


if __name__ == "__main__":
    import sys

    told = run(letters=int(sys.argv[1]), seed=int(sys.argv[2]))
    print(json.dumps(told))
    sys.exit(any(told[step][wrong] for step in ("recorded", "redriven") for wrong in ("lost", "double")))
