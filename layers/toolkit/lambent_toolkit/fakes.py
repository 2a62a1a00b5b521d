"""In-memory ports, for Lambent's tests and for yours; each passes the same port tests as its adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import md5, sha256
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from lambent.contracts.model import ModelContract
from lambent.contracts.notifications import WEBHOOK_DELIVERED
from lambent.contracts.tensor import Array
from lambent.domain.caller import Caller
from lambent.domain.dead_letters import DeadLetter, DeathRecord
from lambent.domain.job import Job, ShardProgress, WebhookOutcome
from lambent.domain.job_list import JobFilter, JobList, JobPlace, JobSummary
from lambent.domain.job_states import JobState
from lambent.domain.model import TFLITE_FILE, Change, LabelRecord, ModelRef, VersionRecord
from lambent.domain.notification import Notice
from lambent.domain.rollout import why_refused
from lambent.domain.throughput import ObservedThroughput
from lambent.domain.timestamps import to_timestamp
from lambent.domain.uploads import UploadGrant
from lambent.domain.waiting import LaneCondition, QueueBlock, QueueDepth
from lambent.domain.webhook_signing import WebhookSecret
from lambent.domain.webhook_url import WebhookAddress
from lambent.errors import BrokenArtifact, PayloadTooLarge, SourceChanged, SourceGone, VersionImmutable
from lambent.ports import Downloaded, ListedObject, ObjectHead, StoredObject, WebhookAnswer


@dataclass
class FakeClock:
    """A clock that moves when told to."""

    at_s: float = 1_800_000_000.0

    def now(self) -> str:
        """Return the time as ISO 8601 with milliseconds and Z."""
        return to_timestamp(self.at_s)

    def epoch_s(self) -> float:
        """Return seconds since 1970."""
        return self.at_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.at_s += seconds


@dataclass
class FakeObjectStore:
    """A bucket in a dict. ``before_call`` may raise, to play a store that fails."""

    bucket: str = "fake-bucket"
    objects: dict[str, bytes] = field(default_factory=dict)
    content_types: dict[str, str] = field(default_factory=dict)
    written_at_s: dict[str, float] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    before_call: Callable[[str, str], None] = lambda operation, key: None

    def read(self, key: str, *, max_bytes: int | None = None) -> StoredObject:
        """Return the object."""
        self.before_call("read", key)
        if key not in self.objects:
            raise SourceGone("The object does not exist or was deleted before it was read.")
        body = self.objects[key]
        if max_bytes is not None and len(body) > max_bytes:
            raise PayloadTooLarge("The object is too large.", limit=max_bytes, got=len(body))
        return StoredObject(body, _etag(body), self.content_types.get(key, ""), self.clock.epoch_s())

    def head(self, key: str) -> ObjectHead | None:
        """Return what is told of an object, or None if there is none."""
        self.before_call("head", key)
        if key not in self.objects:
            return None
        body, content_type = self.objects[key], self.content_types.get(key, "")
        return ObjectHead(_etag(body), len(body), content_type, self.written_at_s.get(key, self.clock.epoch_s()))

    def download(self, key: str, file: BinaryIO, *, max_bytes: int, etag: str | None = None) -> Downloaded:
        """Write the object to an open file."""
        body = self._read_same(key, etag, max_bytes=max_bytes)
        file.write(body)
        return Downloaded(sha256(body).hexdigest(), len(body))

    def read_range(self, key: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        """Return some bytes of an object."""
        body = self._read_same(key, etag)
        if start >= len(body) > 0:
            raise SourceGone("The object does not exist, or is shorter than it was.")
        return body[start:stop]

    def _read_same(self, key: str, etag: str | None, *, max_bytes: int | None = None) -> bytes:
        stored = self.read(key)
        if etag not in (None, stored.etag):
            raise SourceChanged("The object was overwritten before it was read.")
        return self.read(key, max_bytes=max_bytes).body

    def upload(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        """Write the rest of an open file."""
        self.write(key, file.read(), content_type=content_type)

    def etag(self, key: str) -> str | None:
        """Return an object's current etag, or None if there is no such object."""
        self.before_call("etag", key)
        return _etag(self.objects[key]) if key in self.objects else None

    def write_once(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> bool:
        """Write unless the key exists."""
        self.before_call("write_once", key)
        if key in self.objects:
            return False
        self.objects[key] = body if isinstance(body, bytes) else body.read()
        self.content_types[key] = content_type
        self.written_at_s[key] = self.clock.epoch_s()
        return True

    def write_if(self, key: str, body: bytes, *, etag: str | None, content_type: str) -> str | None:
        """Write if the object is as it was seen."""
        self.before_call("write_if", key)
        known = self.objects.get(key)
        if etag != (None if known is None else _etag(known)):
            return None
        self.objects[key] = body
        self.content_types[key] = content_type
        self.written_at_s[key] = self.clock.epoch_s()
        return _etag(body)

    def delete_if(self, key: str, *, etag: str) -> bool:
        """Delete if the object is as it was seen."""
        self.before_call("delete_if", key)
        if key not in self.objects or _etag(self.objects[key]) != etag:
            return False
        del self.objects[key]
        return True

    def write(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> None:
        """Write, replacing what was there."""
        self.before_call("write", key)
        self.objects[key] = body if isinstance(body, bytes) else body.read()
        self.content_types[key] = content_type
        self.written_at_s[key] = self.clock.epoch_s()

    def delete(self, key: str) -> None:
        """Delete; a key that does not exist is fine."""
        self.before_call("delete", key)
        self.objects.pop(key, None)

    def listing(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with ``prefix``; one that a test put into ``objects`` is new."""
        self.before_call("listing", prefix)
        for key in sorted(key for key in self.objects if key.startswith(prefix)):
            yield ListedObject(key, len(self.objects[key]), self.written_at_s.get(key, self.clock.epoch_s()))

    def uri(self, key: str) -> str:
        """Return the ``s3://`` address of a key."""
        return f"s3://{self.bucket}/{key}"


def _etag(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


@dataclass
class FakeRegistry:
    """Versions, labels and callers in dicts."""

    records: dict[ModelRef, VersionRecord] = field(default_factory=dict)
    label_records: dict[tuple[str, str], LabelRecord] = field(default_factory=dict)
    unloaded: dict[str, str | None] = field(default_factory=dict)
    callers: dict[str, Caller] = field(default_factory=dict)
    _transaction: Lock = field(default_factory=Lock, repr=False, compare=False)

    def versions(self, name: str) -> list[VersionRecord]:
        """Return all versions in rising order."""
        mine = [record for ref, record in self.records.items() if ref.name == name]
        return sorted(mine, key=lambda record: record.ref.version)

    def version(self, ref: ModelRef) -> VersionRecord | None:
        """Return one version's record."""
        return self.records.get(ref)

    def add_version(self, record: VersionRecord) -> None:
        """Record a version."""
        if self.records.get(record.ref, record) != record:
            raise VersionImmutable(f"{record.ref} is already published; versions never change.")
        self.records[record.ref] = record

    def label(self, name: str, label: str) -> LabelRecord | None:
        """Return where a label points."""
        return self.label_records.get((name, label))

    def labels(self, name: str) -> list[LabelRecord]:
        """Return all labels of a model."""
        return [record for (model, _), record in self.label_records.items() if model == name]

    def set_label(self, record: LabelRecord) -> None:
        """Move a label from the revision before, to versions that are active."""
        refs = [ModelRef(record.name, version) for version in record.versions]
        with self._transaction:
            known = self.label_records.get((record.name, record.label))
            versions = {ref: self.records.get(ref) for ref in refs}
            is_next = (known.revision if known else 0) == record.revision - 1
            if known == record:
                return
            if not is_next or any(found is None or found.retired for found in versions.values()):
                raise why_refused(record, known, versions)
            self.label_records[record.name, record.label] = record
            for ref, found in versions.items():
                if found is not None:
                    self.records[ref] = replace(found, label_names=found.label_names | {record.label})

    def retire_version(self, record: VersionRecord, change: Change) -> bool:
        """Retire an active version that no label uses."""
        with self._transaction:
            known = self.records.get(record.ref)
            if known is None or known.retired is not None:
                return known is not None and known.retired == change
            labels = self.labels(record.ref.name)
            is_used = any(record.ref.version in label.versions for label in labels)
            if is_used or known.label_names != record.label_names:
                return False
            self.records[record.ref] = replace(known, retired=change)
        return True

    def remove_version(self, ref: ModelRef, change: Change) -> bool:
        """Record that a retired version's files go."""
        with self._transaction:
            known = self.records.get(ref)
            if known is None or known.retired is None or known.removed not in (None, change):
                return False
            self.records[ref] = replace(known, removed=change)
        return True

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return sorted({ref.name for ref, record in self.records.items() if record.manifest_sha256})

    def unloaded_at(self, name: str) -> str | None:
        """Return when an operator unloaded a model, None while it is served."""
        return self.unloaded.get(name)

    def set_unloaded(self, name: str, change: Change, *, is_unloaded: bool) -> None:
        """Record that a model is unloaded since the change, or that it is served again."""
        self.unloaded[name] = change.at if is_unloaded else None

    def caller_of(self, api_key_id: str) -> Caller | None:
        """Return the tenant and the scopes of a key id."""
        return self.callers.get(api_key_id)


@dataclass
class FakeJobStore:
    """Jobs in a dict."""

    jobs: dict[tuple[str, str], Job] = field(default_factory=dict)
    closed: set[tuple[str, str]] = field(default_factory=set)
    claims: dict[tuple[str, str], str] = field(default_factory=dict)

    def create(self, job: Job) -> bool:
        """Record a new job; return False if the tenant already has one of this id."""
        mine = replace(job)
        return self.jobs.setdefault((job.tenant, job.job_id), mine) is mine

    def claim(self, tenant: str, name: str, job_id: str, *, expires_at_s: int) -> str:
        """Tie a name to a job id unless it is tied already; return the id that it is tied to."""
        return self.claims.setdefault((tenant, name), job_id)

    def claimed(self, tenant: str, name: str) -> str | None:
        """Return the job id that a name is tied to, if it is."""
        return self.claims.get((tenant, name))

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job with its shards' progress."""
        job = self.jobs.get((tenant, job_id))
        return None if job is None else replace(job, is_open=(tenant, job_id) not in self.closed)

    def head(self, tenant: str, job_id: str) -> Job | None:
        """Return the job without its shards' progress."""
        job = self.get(tenant, job_id)
        return None if job is None else replace(job, progress=())

    def shard(self, tenant: str, job_id: str, shard: int) -> ShardProgress | None:
        """Return one shard's progress, None if it has shown none yet."""
        job = self.get(tenant, job_id)
        return next((known for known in job.progress if known.shard == shard), None) if job else None

    def set_priority(self, tenant: str, job_id: str, priority: int, *, at: str) -> bool:
        """Change the priority of a job that has not ended."""
        job = self.jobs.get((tenant, job_id))
        if job is None or job.state.is_terminal:
            return False
        self.jobs[(tenant, job_id)] = replace(job, priority=priority, updated_at=at)
        return True

    def transition(
        self, tenant: str, job_id: str, to: JobState, *, allowed: Iterable[JobState], at: str, **fields: Any
    ) -> bool:
        """Move to ``to`` and set ``fields`` if the state is one of ``allowed``."""
        job = self.jobs.get((tenant, job_id))
        if job is None or job.state not in tuple(allowed):
            return False
        self.jobs[(tenant, job_id)] = replace(job, state=to, updated_at=at, **fields)
        return True

    def set_batch_job(self, tenant: str, job_id: str, batch_job_id: str) -> None:
        """Remember the AWS Batch job that runs this job; the first one remembered stays."""
        job = self.jobs[(tenant, job_id)]
        self.jobs[(tenant, job_id)] = replace(job, batch_job_id=job.batch_job_id or batch_job_id)

    def claim_shard(self, tenant: str, job_id: str) -> int | None:
        """Take the next shard that was never sent."""
        job = self.jobs.get((tenant, job_id))
        if job is None or job.state.is_terminal or job.shards is None or job.next_shard >= job.shards:
            return None
        self.jobs[(tenant, job_id)] = replace(job, next_shard=job.next_shard + 1)
        return job.next_shard

    def set_width(self, tenant: str, job_id: str, width: int, *, before: int | None) -> bool:
        """Change how many slots a job has, if they are still as many as before."""
        job = self.jobs.get((tenant, job_id))
        if job is None or job.width != before:
            return False
        self.jobs[(tenant, job_id)] = replace(job, width=width)
        return True

    def note_heal(self, tenant: str, job_id: str, heals: int, *, at: str) -> None:
        """Remember how often the sweep has tried to revive the job, unless it has ended."""
        job = self.jobs.get((tenant, job_id))
        if job is not None and not job.state.is_terminal:
            self.jobs[(tenant, job_id)] = replace(job, heals=heals, updated_at=at)

    def note_told(self, tenant: str, job_id: str, ways: frozenset[str]) -> None:
        """Remember ways by which the job's end was told, beside those remembered before."""
        job = self.jobs.get((tenant, job_id))
        if job is not None:
            self.jobs[(tenant, job_id)] = replace(job, told=job.told | ways)

    def record_webhook(self, tenant: str, job_id: str, outcome: WebhookOutcome) -> None:
        """Write how the delivery of the job's webhook stands; a delivered one stays so."""
        job = self.jobs.get((tenant, job_id))
        if job is not None and (job.webhook is None or job.webhook.state != WEBHOOK_DELIVERED):
            self.jobs[(tenant, job_id)] = replace(job, webhook=outcome)

    def close(self, tenant: str, job_id: str) -> None:
        """Take an ended and announced job off the list of open ones."""
        self.closed.add((tenant, job_id))

    def record_shard(self, tenant: str, job_id: str, progress: ShardProgress, *, expires_at_s: int) -> None:
        """Write a shard's progress; a finished shard is never made unfinished again, and no count falls."""
        job = self.jobs[(tenant, job_id)]
        shards = {shard.shard: shard for shard in job.progress}
        known = shards.get(progress.shard)
        if known is None or (not known.is_finished and (progress.is_finished or _items(progress) >= _items(known))):
            shards[progress.shard] = progress
        elif not known.is_finished:
            shards[progress.shard] = replace(known, updated_at=max(known.updated_at, progress.updated_at))
        self.jobs[(tenant, job_id)] = replace(job, progress=tuple(shards[index] for index in sorted(shards)))

    def open_heads(self, *, updated_before: str) -> Iterator[Job]:
        """Yield what `open_jobs` does without the shards' progress."""
        yield from (replace(job, progress=()) for job in self.open_jobs(updated_before=updated_before))

    def open_jobs(self, *, updated_before: str) -> Iterator[Job]:
        """Yield jobs that are not closed and whose row has not changed since, oldest first."""
        jobs = [job for key, job in self.jobs.items() if key not in self.closed and job.updated_at < updated_before]
        yield from sorted(jobs, key=lambda job: job.updated_at)


def _items(progress: ShardProgress) -> int:
    return progress.done + progress.failed


@dataclass
class FakeJobCatalogue:
    """Lists of the jobs of a `FakeJobStore`."""

    store: FakeJobStore

    def jobs(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobPlace | None) -> JobList:
        """Return at most ``limit`` of a tenant's jobs, the newest first."""
        mine = [_summary(job) for (owner, _), job in self.store.jobs.items() if owner == tenant]
        place = {job.job_id: JobPlace(job.created_at, job.job_id) for job in mine}
        rest = sorted((job for job in mine if wanted.takes(job)), key=lambda job: place[job.job_id], reverse=True)
        rest = [job for job in rest if after is None or place[job.job_id] < after]
        page = rest[:limit]
        return JobList(page, place[page[-1].job_id] if len(rest) > limit else None)

    def in_cpu_lane(self, tenant: str) -> frozenset[str]:
        """Return which of a tenant's jobs run, or are about to, on the CPU lane."""
        running = (JobState.PLANNED, JobState.RUNNING)
        jobs = [job for (owner, _), job in self.store.jobs.items() if owner == tenant]
        return frozenset(job.job_id for job in jobs if job.lane == "cpu" and job.state in running)


def _summary(job: Job) -> JobSummary:
    return JobSummary(
        job_id=job.job_id,
        kind=job.kind,
        state=job.state,
        model=job.model,
        created_at=job.created_at,
        updated_at=job.updated_at,
        version=job.version,
        lane=job.lane,
        total=job.total,
        done=job.final_done,
        failed=job.final_failed,
    )


@dataclass
class FakeThroughputStore:
    """Observed throughput in a dict by version and lane."""

    records: dict[tuple[ModelRef, str], ObservedThroughput] = field(default_factory=dict)

    def observed(self, ref: ModelRef, lane: str) -> ObservedThroughput | None:
        """Return what finished jobs of a version have shown on a lane."""
        return self.records.get((ref, lane))

    def observe(self, record: ObservedThroughput) -> bool:
        """Replace revision ``record.revision - 1``, or write the first."""
        known = self.records.get((record.ref, record.lane))
        if (known.revision if known else 0) != record.revision - 1:
            return False
        self.records[record.ref, record.lane] = record
        return True


@dataclass
class FakeBlockStore:
    """The latest block of a queue."""

    block: QueueBlock | None = None

    def record(self, block: QueueBlock, *, expires_at_s: int) -> None:
        """Remember a block, unless a later one is remembered."""
        if self.block is None or self.block.at < block.at:
            self.block = block

    def latest(self) -> QueueBlock | None:
        """Return the block that was told last."""
        return self.block


@dataclass
class FakeLaneWatch:
    """Conditions by the job's id, set by the test."""

    conditions: dict[str, LaneCondition] = field(default_factory=dict)

    def condition(self, batch_job_id: str, *, block: QueueBlock | None) -> LaneCondition | None:
        """Return the job's condition."""
        found = self.conditions.get(batch_job_id)
        return replace(found, blocked_by=block.reason) if found is not None and block is not None else found


@dataclass
class FakeGrantStore:
    """Grants in a dict."""

    grants: dict[tuple[str, str], UploadGrant] = field(default_factory=dict)

    def add(self, grant: UploadGrant, *, forget_at_s: int) -> None:
        """Record a new grant."""
        self.grants[(grant.tenant, grant.upload_id)] = grant

    def get(self, tenant: str, upload_id: str) -> UploadGrant | None:
        """Return a grant of this tenant."""
        return self.grants.get((tenant, upload_id))


@dataclass
class FakeLinkMaker:
    """Links that say what they were made of; nobody answers them."""

    def read_link(self, key: str, *, content_type: str, content_encoding: str | None, expires_s: int) -> str:
        """Return the address of an object."""
        return f"https://fake-bucket.example/{key}?type={content_type}&coding={content_encoding}&expires_s={expires_s}"

    def upload_form(
        self, key: str, *, fields: Mapping[str, str], size_range: tuple[int, int], expires_s: int
    ) -> tuple[str, dict[str, str]]:
        """Return address and fields of a form."""
        limits = {"range": f"{size_range[0]}-{size_range[1]}", "expires_s": str(expires_s)}
        return "https://fake-bucket.example", {"key": key, **fields, **limits}


@dataclass
class FakeDeadLetters:
    """A dead-letter queue in a list. ``at_once`` is how many of the visible messages one receive samples."""

    name: str = "infer"
    letters: list[DeadLetter] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    at_once: int = 3

    def depth(self) -> QueueDepth:
        """Return how many messages are visible, and how many are held."""
        held = sum(letter.message_id in self.hidden for letter in self.letters)
        return QueueDepth(len(self.letters) - held, held)

    def receive(self, *, hold_s: int) -> list[DeadLetter]:
        """Take some messages, the latest first, and hide them until they are released."""
        visible = [letter for letter in reversed(self.letters) if letter.message_id not in self.hidden]
        taken = visible[: self.at_once]
        self.hidden |= {letter.message_id for letter in taken}
        return taken

    def release(self, letters: Sequence[DeadLetter]) -> None:
        """Show messages again."""
        self.hidden -= {letter.message_id for letter in letters}


@dataclass
class FakeDeathLedger:
    """Records of dead letters in a dict."""

    records: dict[tuple[str, str], DeathRecord] = field(default_factory=dict)

    def known(self, queue: str) -> set[str]:
        """Return the ids of the messages of a queue that are recorded."""
        return {message_id for name, message_id in self.records if name == queue}

    def add(self, record: DeathRecord, *, expires_at_s: int) -> bool:
        """Record a message, once."""
        return self.records.setdefault((record.queue, record.message_id), record) is record


@dataclass
class FakeIsolation:
    """No process of its own: what ends it, ends the test."""

    def run(self, act: Callable[[], object]) -> None:
        """Do what ``act`` does."""
        act()


@dataclass
class FakeComputing:
    """No process of its own: what ends it, ends the test. ``before`` may raise, to play one that ends."""

    before: Callable[[], None] = lambda: None
    runs: int = 0

    def run(self, act: Callable[[], bytes]) -> bytes:
        """Return what ``act`` returns."""
        self.runs += 1
        self.before()
        return act()


@dataclass
class FakeQueue:
    """Messages in a list, and the group of each in another."""

    sent: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    delayed: list[tuple[bytes, int]] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0

    def depth(self) -> QueueDepth:
        """Return how many messages wait, and what the test says is being worked on."""
        return QueueDepth(len(self.sent), self.in_flight)

    def send(
        self, body: bytes, *, group: str | None = None, attributes: Mapping[str, str] | None = None, delay_s: int = 0
    ) -> None:
        """Enqueue a message; one that is to come later stands in ``delayed`` until the test moves it."""
        if delay_s:
            self.delayed.append((body, delay_s))
        else:
            self.sent.append((body, dict(attributes or {})))
            self.groups.append(group)

    def send_all(
        self, bodies: Iterable[bytes], *, group: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Enqueue many."""
        for body in bodies:
            self.send(body, group=group, attributes=attributes)

    def hold(self, receipt: str, *, pause_s: int) -> None:
        """Remember for how long the message of this receipt is hidden."""
        self.held[receipt] = pause_s


@dataclass
class FakeJobRunner:
    """Submissions in a dict by name; ``statuses`` by id are set by the test."""

    submitted: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    terminated: dict[str, str] = field(default_factory=dict)

    def submit(self, name: str, *, shards: int, parameters: Mapping[str, str]) -> str:
        """Remember a job and return its id."""
        self.submitted[name] = {"shards": shards, "parameters": dict(parameters)}
        return f"batch-{name}"

    def find(self, name: str) -> str | None:
        """Return the id of a job submitted under this name."""
        return f"batch-{name}" if name in self.submitted else None

    def status(self, batch_job_id: str) -> str | None:
        """Return the job's status."""
        return self.statuses.get(batch_job_id)

    def terminate(self, batch_job_id: str, *, reason: str) -> None:
        """Remember that a job was stopped, and why."""
        self.terminated[batch_job_id] = reason


@dataclass
class FakeNotifier:
    """Announcements in a list."""

    announced: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def announce(self, notice: Notice) -> None:
        """Remember an announcement."""
        self.announced.append((notice.subject, notice.to_dict()))


@dataclass
class FakeWebhookSender:
    """Requests in a list; each is answered by the next of ``answers``, and by 200 when there is none left."""

    answers: list[WebhookAnswer] = field(default_factory=list)
    requests: list[tuple[WebhookAddress, bytes, dict[str, str]]] = field(default_factory=list)

    def post(self, address: WebhookAddress, body: bytes, headers: Mapping[str, str]) -> WebhookAnswer:
        """Remember a request and answer it."""
        self.requests.append((address, body, dict(headers)))
        return self.answers.pop(0) if self.answers else WebhookAnswer(200)


@dataclass
class FakeSecretStore:
    """Webhook secrets in a dict."""

    secrets: dict[str, WebhookSecret] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def get(self, tenant: str) -> WebhookSecret | None:
        """Return a tenant's secret."""
        return self.secrets.get(tenant)

    def put(self, tenant: str, secret: WebhookSecret, *, change: Change | None = None) -> bool:
        """Write a secret that follows the stored revision, and remember who asked for it."""
        known = self.secrets.get(tenant)
        if secret.revision != (known.revision if known else 0) + 1:
            return False
        self.secrets[tenant] = secret
        self.changes += [] if change is None else [change]
        return True


@dataclass
class FakeAudit:
    """Refusals in a list."""

    refusals: list[tuple[ModelRef, BrokenArtifact]] = field(default_factory=list)

    def refused(self, ref: ModelRef, error: BrokenArtifact) -> None:
        """Remember one refusal."""
        self.refusals.append((ref, error))


@dataclass
class FakeInterpreter:
    """Answers with ``answer(inputs)``."""

    answer: Callable[[Mapping[str, Array]], dict[str, Array]]
    platform: str = "fake"

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch."""
        return self.answer(inputs)


@dataclass
class FakeInterpreterLoader:
    """Loads any file as the same interpreter, and counts the loads."""

    answer: Callable[[Mapping[str, Array]], dict[str, Array]]
    file: str = TFLITE_FILE
    loads: int = 0

    def load(self, model: Path, contract: ModelContract) -> FakeInterpreter:
        """Load."""
        self.loads += 1
        return FakeInterpreter(self.answer)
