"""What a message of the upload queue tells: what happened to which objects, however the event came there.

S3 sends its event to the queue by itself, through an SNS topic, through a rule of EventBridge, or through a rule and a
topic; a topic with raw message delivery adds nothing to it. Who forwards a topic's messages to a bus of EventBridge
puts the topic's envelope into the bus's. A version of S3's own part whose major number is another than the one known
here is no event that is known: S3 raises it where a reader of the old form would go wrong. The forms:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import unquote_plus

import msgspec

from lambent.contracts.decoding import decode_json
from lambent.contracts.event_kinds import kind_of
from lambent.contracts.schema_errors import schema_error
from lambent.errors import EventUnknown, LambentError

S = TypeVar("S", bound=msgspec.Struct)

_SEQUENCER = re.compile(r"[0-9A-Fa-f]{1,64}")
_TEST = "s3:TestEvent"
_NOTIFICATION = "Notification"
_RULED = "aws.s3"
_SHOWN = 8
_RECORD_VERSIONS, _RULED_VERSIONS = "2", "0"  # the major number


@dataclass(frozen=True)
class ObjectEvent:
    """What happened to one object.

    Attributes
    ----------
    name          by S3's names or EventBridge's: "ObjectCreated:Put", "Object Created"
    is_created    whether the object is new or has new bytes
    bucket, key   the key as it is in the bucket
    etag          without quotes; empty if the event tells none
    sequencer     in hex, rising with the events of one key; None if the event tells none
    field         where in the message the event stands
    """

    name: str
    is_created: bool
    bucket: str
    key: str
    etag: str
    field: str
    sequencer: str | None = None


class _Bucket(msgspec.Struct):
    name: str


class _Object(msgspec.Struct, rename={"etag_of_s3": "eTag"}):
    key: str
    etag: str | None = None
    etag_of_s3: str | None = None
    sequencer: str | None = None


class _Change(msgspec.Struct):
    bucket: _Bucket
    object: _Object
    version: str = _RULED_VERSIONS


class _Record(msgspec.Struct, rename={"source": "eventSource", "name": "eventName", "version": "eventVersion"}):
    source: Literal["aws:s3"]
    name: str
    s3: _Change
    version: str = _RECORD_VERSIONS


class _RuledEvent(msgspec.Struct, rename={"name": "detail-type"}):
    name: str
    detail: _Change


def read_object_events(body: str) -> list[ObjectEvent | EventUnknown]:
    """Return what a message tells, in its order; in the place of a record that is none of S3's stands the error.

    S3's test event, which it sends when notifications are set up, tells of no object.

    Raises
    ------
    EventUnknown   the message is of no form that is known, or has no records
    """
    event = _unwrapped(_read_json(body, what="message"))
    if not isinstance(event, dict):
        raise _unknown(event)
    if event.get("source") == _RULED:
        return [_of_rule(event)]
    records = event.get("Records")
    if isinstance(records, list) and records:
        return [_of_record(record, f"Records[{place}]") for place, record in enumerate(records)]
    if event.get("Event") == _TEST and "Records" not in event:
        return []
    raise _unknown(event)


def _unwrapped(event: Any) -> Any:
    """Return what lies in an envelope of SNS's, or in one that a bus of others' events carries."""
    if isinstance(event, dict) and "detail-type" in event and event.get("source") != _RULED:
        detail = event.get("detail")
        event = detail if isinstance(detail, dict) and detail.get("Type") == _NOTIFICATION else event
    if isinstance(event, dict) and event.get("Type") == _NOTIFICATION and isinstance(event.get("Message"), str):
        return _read_json(event["Message"], what="message in SNS's envelope")
    return event


def _of_record(record: Any, field: str) -> ObjectEvent | EventUnknown:
    try:
        found = _convert(record, _Record, field=field)
        _check_version(found.version, _RECORD_VERSIONS, f"{field}.eventVersion")
    except EventUnknown as error:
        return error
    name, thing = found.name.removeprefix("s3:"), found.s3.object
    is_created = name.startswith("ObjectCreated:")
    # The key as a form encodes it.
    key, etag = unquote_plus(thing.key), thing.etag_of_s3 or ""
    return ObjectEvent(name, is_created, found.s3.bucket.name, key, etag, field, _sequencer(thing))


def _of_rule(event: dict[str, Any]) -> ObjectEvent:
    found = _convert(event, _RuledEvent, field="")
    _check_version(found.detail.version, _RULED_VERSIONS, "detail.version")
    thing = found.detail.object
    is_created = found.name == "Object Created"
    return ObjectEvent(
        found.name, is_created, found.detail.bucket.name, thing.key, thing.etag or "", "detail", _sequencer(thing)
    )


def _sequencer(thing: _Object) -> str | None:
    """Return the order of an event among those of its key; what is no number of S3's form orders nothing."""
    return thing.sequencer if thing.sequencer is not None and _SEQUENCER.fullmatch(thing.sequencer) else None


def _check_version(got: str, known: str, field: str) -> None:
    if got.partition(".")[0] != known:
        shown = got if got.replace(".", "").isdecimal() and len(got) < _SHOWN else "no number"
        raise EventUnknown(
            f"The event of S3 is of version {shown}; only {known}.x is known here.", field=field, limit=known, got=shown
        )


def _convert(value: Any, type_: type[S], *, field: str) -> S:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as exc:
        found = schema_error(exc, type_, what="event of S3")
        where = ".".join(part for part in (field, found.field) if part)
        raise EventUnknown(found.detail, field=where or None, limit=found.limit, got=found.got) from exc


def _read_json(text: str, *, what: str) -> Any:
    try:
        return decode_json(text, Any, what=what)
    except LambentError as exc:
        raise EventUnknown(f"The message is no event of S3. {exc.detail}", field=exc.field) from exc


def _unknown(event: Any) -> EventUnknown:
    return EventUnknown(
        f"The message is no event of S3, by itself, through SNS or EventBridge; it is {kind_of(event)}.",
        got=kind_of(event),
    )
