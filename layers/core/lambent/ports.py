"""What the services need from the outside; ``adapters`` has the real ones, ``lambent_toolkit.fakes`` in-memory ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lambent.contracts.model import ModelContract
    from lambent.contracts.tensor import Array
    from lambent.domain.caller import Caller
    from lambent.domain.dead_letters import DeadLetter, DeathRecord
    from lambent.domain.job import Job, ShardProgress, WebhookOutcome
    from lambent.domain.job_list import JobFilter, JobList, JobPlace
    from lambent.domain.job_states import JobState
    from lambent.domain.model import Change, LabelRecord, ModelRef, VersionRecord
    from lambent.domain.notification import Notice
    from lambent.domain.suspicion import InFlight, Suspicion
    from lambent.domain.throughput import ObservedThroughput
    from lambent.domain.uploads import UploadGrant
    from lambent.domain.waiting import LaneCondition, QueueBlock, QueueDepth
    from lambent.domain.webhook_signing import WebhookSecret
    from lambent.domain.webhook_url import WebhookAddress
    from lambent.errors import BrokenArtifact


@dataclass(frozen=True)
class StoredObject:
    """An object's bytes, the tag that changes with them, its Content-Type and when it was written (since 1970)."""

    body: bytes
    etag: str
    content_type: str
    written_at_s: float


@dataclass(frozen=True)
class ListedObject:
    """An object as a listing tells it; ``written_at_s`` since 1970."""

    key: str
    size_bytes: int
    written_at_s: float


@dataclass(frozen=True)
class ObjectHead:
    """What is told of an object without its bytes; see `StoredObject`."""

    etag: str
    size_bytes: int
    content_type: str
    written_at_s: float


@dataclass(frozen=True)
class Downloaded:
    """What was written to a file: its sha256 in lower-case hex, and its size."""

    sha256: str
    size_bytes: int


class ObjectStore(Protocol):
    """One bucket. All methods raise Unavailable when the store fails or throttles."""

    def read(self, key: str, *, max_bytes: int | None = None) -> StoredObject:
        """Return the object; raises SourceGone (no such key), PayloadTooLarge (over ``max_bytes``, not downloaded)."""
        ...

    def head(self, key: str) -> ObjectHead | None:
        """Return what is told of an object, or None if there is none."""
        ...

    def download(self, key: str, file: BinaryIO, *, max_bytes: int, etag: str | None = None) -> Downloaded:
        """Write the object to an open file piece by piece, never holding it in memory.

        Raises
        ------
        SourceGone        no such key
        SourceChanged     the object has another etag than ``etag``; nothing was downloaded
        PayloadTooLarge   over ``max_bytes``; nothing was downloaded
        OSError           the file takes no more
        """
        ...

    def read_range(self, key: str, start: int, stop: int, *, etag: str | None = None) -> bytes:
        """Return bytes ``start`` to before ``stop``, fewer where the object ends; ``start`` lies inside it.

        Raises
        ------
        SourceGone      no such key, or no such byte
        SourceChanged   the object has another etag than ``etag``
        """
        ...

    def upload(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        """Write the rest of an open file piece by piece, replacing what was there; all of it appears at once."""
        ...

    def etag(self, key: str) -> str | None:
        """Return an object's current etag, or None if there is no such object."""
        ...

    def write_once(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> bool:
        """Write bytes, or an open file from its beginning, unless the key exists; return whether this call wrote it."""
        ...

    def write_if(self, key: str, body: bytes, *, etag: str | None, content_type: str) -> str | None:
        """Write bytes if the object has this etag, or with None if there is none; return the etag that it has now.

        None is returned, and nothing written, where it has another one by now, or another write of it is under way.
        """
        ...

    def delete_if(self, key: str, *, etag: str) -> bool:
        """Delete an object if it has this etag; return whether this call deleted it."""
        ...

    def write(self, key: str, body: bytes | BinaryIO, *, content_type: str) -> None:
        """Write bytes, or an open file from its beginning, replacing what was there."""
        ...

    def delete(self, key: str) -> None:
        """Delete; a key that does not exist is fine."""
        ...

    def listing(self, prefix: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys begin with ``prefix``, in the order of their keys."""
        ...

    def uri(self, key: str) -> str:
        """Return the ``s3://`` address of a key."""
        ...


class Registry(Protocol):
    """Versions and labels of models. All methods raise Unavailable when the table fails or throttles."""

    def versions(self, name: str) -> list[VersionRecord]:
        """Return all versions in rising order; empty for an unknown model."""
        ...

    def version(self, ref: ModelRef) -> VersionRecord | None:
        """Return one version's record."""
        ...

    def add_version(self, record: VersionRecord) -> None:
        """Record a version, or with ``removed`` that its number is used up; raises VersionImmutable if it exists."""
        ...

    def label(self, name: str, label: str) -> LabelRecord | None:
        """Return where a label points."""
        ...

    def labels(self, name: str) -> list[LabelRecord]:
        """Return all labels of a model."""
        ...

    def set_label(self, record: LabelRecord) -> None:
        """Move a label from revision ``record.revision - 1`` to ``record``: all of it, or nothing.

        In one transaction with the versions that the record names, so that no label ever points to a retired version.

        Raises
        ------
        AliasConflict    somebody else moved the label since; the text says who, when and to what
        ModelNotFound    a version was never published
        VersionRetired   a version is no longer active
        """
        ...

    def retire_version(self, record: VersionRecord, change: Change) -> bool:
        """Retire an active version that no label uses, in one transaction with all its labels; return whether it was.

        False as well if a label met the version for the first time since ``record`` was read.
        """
        ...

    def remove_version(self, ref: ModelRef, change: Change) -> bool:
        """Record that a retired version's files go; return whether it was retired and not removed yet."""
        ...

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        ...

    def unloaded_at(self, name: str) -> str | None:
        """Return when an operator unloaded a model, None while it is served."""
        ...

    def set_unloaded(self, name: str, change: Change, *, is_unloaded: bool) -> None:
        """Record that a model is unloaded since the change, or that it is served again."""
        ...


class JobStore(Protocol):
    """The item ledger of all jobs. All methods raise Unavailable when the table fails or throttles."""

    def create(self, job: Job) -> bool:
        """Record a new job; return False if the tenant already has one of this id."""
        ...

    def claim(self, tenant: str, name: str, job_id: str, *, expires_at_s: int) -> str:
        """Tie a name to a job id unless it is tied already; return the id that it is tied to."""
        ...

    def claimed(self, tenant: str, name: str) -> str | None:
        """Return the job id that a name is tied to, if it is."""
        ...

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job with its shards' progress."""
        ...

    def head(self, tenant: str, job_id: str) -> Job | None:
        """Return the job without its shards' progress, which is one row however many shards it has."""
        ...

    def shard(self, tenant: str, job_id: str, shard: int) -> ShardProgress | None:
        """Return one shard's progress, None if it has shown none yet."""
        ...

    def set_priority(self, tenant: str, job_id: str, priority: int, *, at: str) -> bool:
        """Change the priority of a job that has not ended; return whether it was changed."""
        ...

    def transition(
        self, tenant: str, job_id: str, to: JobState, *, allowed: Iterable[JobState], at: str, **fields: Any
    ) -> bool:
        """Move to ``to`` and set ``fields`` if the state is one of ``allowed``; return whether it moved."""
        ...

    def set_batch_job(self, tenant: str, job_id: str, batch_job_id: str) -> None:
        """Remember the AWS Batch job that runs this job; the first one remembered stays."""
        ...

    def claim_shard(self, tenant: str, job_id: str) -> int | None:
        """Take the next shard of a planned job that was never sent; None once there is none, or the job has ended."""
        ...

    def set_width(self, tenant: str, job_id: str, width: int, *, before: int | None) -> bool:
        """Change how many slots a job has, if they are still as many as before; return whether they were."""
        ...

    def note_heal(self, tenant: str, job_id: str, heals: int, *, at: str) -> None:
        """Remember how often the sweep has tried to revive the job since it last moved; this changes its row.

        A job that has ended meanwhile is left alone: its row's time is that of its end.
        """
        ...

    def note_told(self, tenant: str, job_id: str, ways: frozenset[str]) -> None:
        """Remember ways by which the job's end was told, beside those remembered before."""
        ...

    def record_webhook(self, tenant: str, job_id: str, outcome: WebhookOutcome) -> None:
        """Write how the delivery of the job's webhook stands; a delivered one stays so."""
        ...

    def close(self, tenant: str, job_id: str) -> None:
        """Take an ended and announced job off the list of open ones."""
        ...

    def record_shard(self, tenant: str, job_id: str, progress: ShardProgress, *, expires_at_s: int) -> None:
        """Write a shard's progress; a finished shard is never made unfinished again, and no count falls.

        Of an attempt that is not yet as far as an earlier one was, only the time is taken, as a sign of life.
        """
        ...

    def open_heads(self, *, updated_before: str) -> Iterator[Job]:
        """Yield what `open_jobs` does without the shards' progress, at a thousandth of its cost.

        An index answers: a job of this second may be missing, and one may look as it did a moment ago.
        """
        ...

    def open_jobs(self, *, updated_before: str) -> Iterator[Job]:
        """Yield jobs that are not closed and whose row has not changed since, oldest first."""
        ...


class JobCatalogue(Protocol):
    """Lists of jobs. All methods raise Unavailable when the table fails or throttles."""

    def jobs(self, tenant: str, wanted: JobFilter, *, limit: int, after: JobPlace | None) -> JobList:
        """Return at most ``limit`` of a tenant's jobs, the newest first.

        A filter that passes over many jobs ends the list early, with a place from which to go on: the work of one call
        is bounded. An index answers, so that a job of this second may be missing for a moment.
        """
        ...

    def in_cpu_lane(self, tenant: str) -> frozenset[str]:
        """Return the ids of a tenant's planned batch jobs of the CPU lane that have not ended, of its newest 250 jobs.

        An index answers, as for ``jobs``.
        """
        ...


class ThroughputStore(Protocol):
    """What finished jobs have shown of versions. All methods raise Unavailable when the table fails or throttles."""

    def observed(self, ref: ModelRef, lane: str) -> ObservedThroughput | None:
        """Return what finished jobs of a version have shown on a lane, None before the first."""
        ...

    def observe(self, record: ObservedThroughput) -> bool:
        """Replace revision ``record.revision - 1``, or write the first; return whether it was still that one."""
        ...


class BlockStore(Protocol):
    """What AWS Batch has told of a blocked job queue. All methods raise Unavailable."""

    def record(self, block: QueueBlock, *, expires_at_s: int) -> None:
        """Remember a block, unless a later one is remembered."""
        ...

    def latest(self) -> QueueBlock | None:
        """Return the block that was told last, which may be over."""
        ...


class QueueGauge(Protocol):
    """How full a queue is."""

    def depth(self) -> QueueDepth:
        """Return about how many messages wait and are worked on; raises Unavailable."""
        ...


class LaneWatch(Protocol):
    """What the container service tells of a job that does not run."""

    def condition(self, batch_job_id: str, *, block: QueueBlock | None) -> LaneCondition | None:
        """Return the job's condition and its lane's, None once the service has forgotten the job; raises Unavailable.

        Parameters
        ----------
        block   what was told of the queue; it counts while the job that blocked it waits still
        """
        ...


class GrantStore(Protocol):
    """Grants to upload. All methods raise Unavailable when the table fails or throttles."""

    def add(self, grant: UploadGrant, *, forget_at_s: int) -> None:
        """Record a new grant, which may be forgotten at a time (seconds since 1970)."""
        ...

    def get(self, tenant: str, upload_id: str) -> UploadGrant | None:
        """Return a grant of this tenant."""
        ...


class LinkMaker(Protocol):
    """Signed requests to one bucket, for those who have no rights of their own there."""

    def read_link(self, key: str, *, content_type: str, content_encoding: str | None, expires_s: int) -> str:
        """Return the address of an object, answered with these header fields."""
        ...

    def upload_form(
        self, key: str, *, fields: Mapping[str, str], size_range: tuple[int, int], expires_s: int
    ) -> tuple[str, dict[str, str]]:
        """Return address and fields of a form for one object: this key, these fields, a size in this range."""
        ...


class CallerDirectory(Protocol):
    """API keys and whom they stand for."""

    def caller_of(self, api_key_id: str) -> Caller | None:
        """Return the tenant and the scopes of a key id; raises Unavailable."""
        ...


class Queue(Protocol):
    """One queue.

    ``group`` is the tenant whose message it is. A queue delivers those of tenants who take little of its consumers'
    time before those of one who takes much; without a group a message counts as a tenant of its own.
    """

    def send(
        self, body: bytes, *, group: str | None = None, attributes: Mapping[str, str] | None = None, delay_s: int = 0
    ) -> None:
        """Enqueue a message; raises Unavailable unless the queue has taken it.

        It is delivered ``delay_s`` seconds later at the earliest, of which there are at most 900.
        """
        ...

    def send_all(
        self, bodies: Iterable[bytes], *, group: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Enqueue many, all of one group and with the same attributes; raises Unavailable if any was not taken."""
        ...


class GaugedQueue(Queue, QueueGauge, Protocol):
    """A queue that also tells how full it is."""


class HeldMessages(Protocol):
    """A queue's messages that are worked on."""

    def hold(self, receipt: str, *, pause_s: int) -> None:
        """Hide the message of this receipt for so long from now, at most 12 hours; raises Unavailable."""
        ...


class DeadLetters(Protocol):
    """One dead-letter queue. All methods raise Unavailable."""

    name: str

    def depth(self) -> QueueDepth:
        """Return about how many messages lie there, and how many somebody holds."""
        ...

    def receive(self, *, hold_s: int) -> list[DeadLetter]:
        """Take some messages and hide them for so long; none if the queue has no other."""
        ...

    def release(self, letters: Sequence[DeadLetter]) -> None:
        """Show messages again that this process hides; one whose time has run out is shown already."""
        ...


class DeathLedger(Protocol):
    """Which dead letters were recorded, by their ids. All methods raise Unavailable."""

    def known(self, queue: str) -> set[str]:
        """Return the ids of the messages of a queue that are recorded; one of this moment may be missing."""
        ...

    def add(self, record: DeathRecord, *, expires_at_s: int) -> bool:
        """Record a message, once; return whether it was not recorded before."""
        ...


class JobRunner(Protocol):
    """The container service that runs GPU-lane jobs."""

    def submit(self, name: str, *, shards: int, parameters: Mapping[str, str]) -> str:
        """Start a job of ``shards`` children and return its id; raises Unavailable."""
        ...

    def find(self, name: str) -> str | None:
        """Return the id of a job submitted under this name, if there is one."""
        ...

    def status(self, batch_job_id: str) -> str | None:
        """Return the job's AWS Batch status, or None once the service has forgotten it."""
        ...

    def terminate(self, batch_job_id: str, *, reason: str) -> None:
        """Stop a job and all its children; one that has ended or is forgotten is fine."""
        ...


class MessageHold(Protocol):
    """A queue's hold on a message that is being worked on."""

    def hold(self, receipt: str, *, pause_s: int) -> None:
        """Hide the message of this receipt for so long from now, at most 12 hours; raises Unavailable."""
        ...


class Notifier(Protocol):
    """Where operators hear of the end of a job."""

    def announce(self, notice: Notice) -> None:
        """Publish; raises Unavailable unless it was taken."""
        ...


@dataclass(frozen=True)
class WebhookAnswer:
    """What became of one attempt: the receiver's status, or why there is none, in words without addresses."""

    status: int | None
    error: str | None = None


class WebhookSender(Protocol):
    """The way to receivers of webhooks."""

    def post(self, address: WebhookAddress, body: bytes, headers: Mapping[str, str]) -> WebhookAnswer:
        """Send one request and wait for the status, not longer than for a bounded time; follows no redirect."""
        ...


class SecretStore(Protocol):
    """The secrets that sign tenants' webhooks. All methods raise Unavailable when the table fails or throttles."""

    def get(self, tenant: str) -> WebhookSecret | None:
        """Return a tenant's secret, if it has one yet."""
        ...

    def put(self, tenant: str, secret: WebhookSecret, *, change: Change | None = None) -> bool:
        """Write ``secret`` if it follows the stored revision, 0 if there is none; return whether it did.

        Parameters
        ----------
        change   who asked for it, to be recorded with it; None for one that is made because it was needed
        """
        ...


class Interpreter(Protocol):
    """A loaded model, for one thread at a time."""

    @property
    def platform(self) -> str:
        """Name of the runtime, e.g. ``tensorflow_lite``."""
        ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch.

        Parameters
        ----------
        inputs   arrays by contract name, in the contract's datatypes; quantization is the interpreter's own matter

        Returns
        -------
        arrays by contract name in the contract's datatypes; copies, safe to keep
        """
        ...


class InterpreterLoader(Protocol):
    """Makes an interpreter from a model file."""

    file: str

    def load(self, model: Path, contract: ModelContract) -> Interpreter:
        """Load a verified file, which the caller may delete afterwards; raises BrokenArtifact and its subclasses."""
        ...


class Rehearsal(Protocol):
    """A place where something may end a process that nobody needs."""

    def run(self, act: Callable[[], object]) -> None:
        """Do what ``act`` does there, which changes nothing here.

        Raises
        ------
        BrokenArtifact    what ``act`` raised
        ModelLoadFailed   it raised anything else, or ended the process, or took too long or too much memory
        """
        ...


class Isolation(Protocol):
    """A process of its own for reading what may end the process that reads it."""

    def run(self, act: Callable[[], object]) -> None:
        """Do what ``act`` does there; it may write to files that are open here.

        Raises
        ------
        ManifestInvalid   it raised something, or ended the process, or took too long, too much memory or room
        """
        ...


class IsolatedComputing(Protocol):
    """A process of its own for computing what may end the process that computes it; for any number of threads."""

    def run(self, act: Callable[[], bytes]) -> bytes:
        """Return what ``act`` returns there, which changes nothing here.

        Raises
        ------
        LambentError        what ``act`` raised
        ProcessingCrashed   it raised anything else, or ended the process, or took too long or too much memory
        """
        ...


class ComputingWatch(Protocol):
    """Ends this process where what it computes never ends; for any number of threads."""

    def within(self, limit_s: float) -> AbstractContextManager[None]:
        """Return a block that is ended, with the process, after so many seconds."""
        ...


class ItemMarks(Protocol):
    """Where a process marks which items of a shard it is at, for whoever finds it dead; any thread may mark."""

    def open(self, items: int, known: Suspicion) -> None:
        """Begin anew, for a shard of so many items; positions count from 0.

        Parameters
        ----------
        known   what the process knows of them
        """
        ...

    def preparing(self, position: int) -> None:
        """Mark an item that is fetched and decoded."""
        ...

    def prepared(self, position: int) -> None:
        """Mark an item that only waits for its batch."""
        ...

    def computing(self, positions: Sequence[int]) -> None:
        """Mark a batch that the model is given."""
        ...

    def done(self, positions: Sequence[int]) -> None:
        """Mark a batch that has its lines."""
        ...

    def alone(self, position: int) -> None:
        """Mark a suspect that is tried alone."""
        ...

    def survived(self, position: int) -> None:
        """Mark a suspect that did not end the process."""
        ...

    def found(self) -> InFlight:
        """Return what is marked."""
        ...


class SignatureVerifier(Protocol):
    """Knows public keys."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Return the ids of the keys, see `domain.signatures.key_id`."""
        ...

    def is_signed(self, message: bytes, *, key_id: str, signature: bytes) -> bool:
        """Return whether the key of this id, being known, made this signature of the message."""
        ...


class Signer(Protocol):
    """Holds one private key, or has the use of one: a file, a token, AWS KMS."""

    @property
    def key_id(self) -> str:
        """Return the id of the public key that belongs to it."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return an ECDSA signature over P-256 with SHA-256 of the message, of any length, as DER."""
        ...


class Audit(Protocol):
    """Where it is told that a version was refused."""

    def refused(self, ref: ModelRef, error: BrokenArtifact) -> None:
        """Record one refusal."""
        ...


class Clock(Protocol):
    """The time, in UTC."""

    def now(self) -> str:
        """Return the time as ISO 8601 with milliseconds and Z; text order is time order."""
        ...

    def epoch_s(self) -> float:
        """Return seconds since 1970."""
        ...
