"""What a message of a dead-letter queue was about: read as by its function, but of any version that has the fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lambent.contracts.batch_events import BLOCKED, BatchChange, read_batch_event
from lambent.contracts.batch_request import BatchRequest
from lambent.contracts.decoding import decode_json
from lambent.contracts.messages import CallMessage, InferMessage, TensorMessage, read_infer_message
from lambent.contracts.notifications import NotifyMessage
from lambent.contracts.object_events import ObjectEvent, read_object_events
from lambent.domain.dead_letters import BATCH, INFER, JOB_EVENTS, NOTIFY, UPLOAD
from lambent.domain.names import is_name, result_stem
from lambent.domain.uploads import check_event
from lambent.errors import EnvelopeInvalid, EventUnknown, LambentError

_UPLOAD_PARTS = 2


@dataclass(frozen=True)
class LostUpload:
    """An object of the inbox; ``etag`` is empty and ``sequencer`` None where its event tells none."""

    tenant: str | None
    key: str
    etag: str
    stem: str
    sequencer: str | None = None

    @property
    def subject(self) -> str:
        """What it is about, in words for operators."""
        return f"upload {self.key.partition('/')[2]}"


@dataclass(frozen=True)
class LostCall:
    """A call for later."""

    tenant: str
    job_id: str

    @property
    def subject(self) -> str:
        """What it is about, in words for operators."""
        return f"call {self.job_id}"


@dataclass(frozen=True)
class LostShard:
    """A shard of a CPU-lane job."""

    tenant: str
    job_id: str
    shard: int
    slot: int

    @property
    def subject(self) -> str:
        """What it is about, in words for operators."""
        return f"shard {self.shard} of {self.job_id}"


@dataclass(frozen=True)
class LostRequest:
    """A batch request; ``request`` is None where the tenant is known and what it asks for is not."""

    tenant: str
    request: BatchRequest | None

    @property
    def subject(self) -> str:
        """What it is about, in words for operators."""
        return "a batch request that cannot be read" if self.request is None else f"batch {self.request.id}"


@dataclass(frozen=True)
class LostWebhook:
    """A webhook of an ended job."""

    tenant: str
    job_id: str

    @property
    def subject(self) -> str:
        """What it is about, in words for operators."""
        return f"webhook of {self.job_id}"


@dataclass(frozen=True)
class LostEvent:
    """An event of AWS Batch about a job of ours."""

    tenant: str
    job_id: str
    change: BatchChange

    @property
    def subject(self) -> str:
        """What it is about, in words for operators."""
        return f"AWS Batch's {self.change.status} of {self.job_id}"


Lost = LostUpload | LostCall | LostShard | LostRequest | LostWebhook | LostEvent


def read_lost(queue: str, body: str, attributes: Mapping[str, str], *, bucket: str) -> tuple[Lost, ...]:
    """Return what a message was about: of an event of S3 as many as there are objects, else one; none of a test event.

    Parameters
    ----------
    queue        see `domain.dead_letters.DeadLetter`
    attributes   of the message, those that hold a text
    bucket       name of the stack's data bucket

    Raises
    ------
    EnvelopeInvalid, EventUnknown, EventForeign   it is nobody's: it names no tenant, or nothing of this stack's
    """
    if queue == UPLOAD:
        return _uploads(body, bucket)
    if queue == INFER:
        return (_of_infer(_infer_message(body)),)
    if queue == BATCH:
        return (_request(body, attributes.get("tenant")),)
    if queue == NOTIFY:
        message = _any_version(body, NotifyMessage, what="notification message")
        return (LostWebhook(message.tenant, message.job_id),)
    if queue == JOB_EVENTS:
        return (_event(body),)
    raise EventUnknown("There is no dead-letter queue of this name.", field="queue")


def _uploads(body: str, bucket: str) -> tuple[Lost, ...]:
    found, refused = [], []
    for event in read_object_events(body):
        try:
            found.append(_upload(event, bucket))
        except LambentError as error:
            refused.append(error)
    if refused and not found:
        raise refused[0]
    return tuple(found)


def _upload(event: ObjectEvent | LambentError, bucket: str) -> LostUpload:
    if isinstance(event, LambentError):
        raise event
    check_event(event, bucket=bucket)
    parts = event.key.split("/")
    tenant = parts[1] if len(parts) > _UPLOAD_PARTS and is_name(parts[1]) else None
    return LostUpload(tenant, event.key, event.etag, result_stem(event.key), event.sequencer)


def _infer_message(body: str) -> InferMessage:
    try:
        return read_infer_message(body)
    except EnvelopeInvalid:
        return _any_version(body, InferMessage, what="inference message")  # type: ignore[no-any-return]


def _of_infer(message: InferMessage) -> Lost:
    if isinstance(message, TensorMessage):
        key, etag = message.source_key, message.source_etag
        return LostUpload(message.tenant, key, etag, message.result_stem, message.source_sequencer)
    if isinstance(message, CallMessage):
        return LostCall(message.tenant, message.job_id)
    return LostShard(message.tenant, message.job_id, message.shard, message.slot)


def _request(body: str, tenant: str | None) -> LostRequest:
    if tenant is None or not is_name(tenant):
        raise EnvelopeInvalid(
            "The message has no attribute 'tenant' that is a name; senders must set it.", field="tenant"
        )
    try:
        request = decode_json(body, BatchRequest, what="batch request")
    except LambentError:
        return LostRequest(tenant, None)
    return LostRequest(tenant, request if is_name(request.id) else None)


def _event(body: str) -> LostEvent:
    event = read_batch_event(decode_json(body, Any, what="event"))
    named = event.detail.parameters or {}
    if event.kind == BLOCKED or not named.get("tenant") or not named.get("job_id"):
        raise EventUnknown("The event is of no job of this stack.", field="detail.parameters")
    return LostEvent(named["tenant"], named["job_id"], event.detail)


def _any_version(body: str, type_: Any, *, what: str) -> Any:
    """Return a message of any version, if it has the fields: what wrote it may be newer than what reads it."""
    try:
        fields = decode_json(body, dict[str, Any], what=what)
        return msgspec.convert({name: value for name, value in fields.items() if name != "schema_version"}, type_)
    except (LambentError, msgspec.ValidationError) as exc:
        raise EnvelopeInvalid("The message names nothing that anybody waits for.") from exc
