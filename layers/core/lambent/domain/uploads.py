"""Grants to upload one object each, and what of it is checked again once it is there."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass

from lambent.contracts.object_events import ObjectEvent
from lambent.domain.model import ModelChoice
from lambent.domain.names import INBOX
from lambent.errors import (
    ChecksumMismatch,
    EventForeign,
    MediaTypeUnsupported,
    PayloadTooLarge,
    UploadKeyInvalid,
)

GRANT_S = 900
# S3 takes the last byte of a form that began in time; the clocks of signer and store differ a little.
_LATE_S = 300
_UPLOAD_ID = re.compile(r"up-[0-9a-f]{32}")
_ID_PART = 3
_EVENT_NAME = re.compile(r"[A-Za-z0-9: ]{1,64}")


@dataclass(frozen=True)
class UploadGrant:
    """What a caller may put where, until when.

    Parameters
    ----------
    key                    the one key of the data bucket
    choice                 the model that shall answer
    content_type, sha256   exactly as announced; sha256 in lower-case hex
    min_bytes, max_bytes   equal where the size was announced
    expires_at_s           end of the grant, seconds since 1970
    request_key            what decides which version of a label with a canary answers; else the object's bytes
    """

    tenant: str
    upload_id: str
    key: str
    choice: ModelChoice
    content_type: str
    sha256: str
    min_bytes: int
    max_bytes: int
    created_at: str
    expires_at_s: int
    request_key: str | None = None

    @property
    def form_fields(self) -> dict[str, str]:
        """Fields that an upload must carry; S3 stores the type and compares the checksum with the content."""
        return {
            "Content-Type": self.content_type,
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": b64encode(bytes.fromhex(self.sha256)).decode(),
        }

    def has_ended(self, at_s: float) -> bool:
        """Return whether nothing that is written at this time, seconds since 1970, is taken any more."""
        return at_s > self.expires_at_s + _LATE_S

    def check(self, key: str, *, size_bytes: int, sha256: str, content_type: str, written_at_s: float) -> None:
        """Hold an object to its grant, whatever the store has let in.

        Raises
        ------
        UploadKeyInvalid       another key, or written after the grant had ended
        PayloadTooLarge        more bytes than granted
        MediaTypeUnsupported   another Content-Type than announced
        ChecksumMismatch       other bytes than announced
        """
        if key != self.key:
            raise UploadKeyInvalid("The grant of this upload is for another key; use its form as it is.", field="key")
        if self.has_ended(written_at_s):
            raise UploadKeyInvalid(
                f"The upload came after its grant had ended; a grant is good for {GRANT_S} seconds.", field="key"
            )
        if size_bytes > self.max_bytes:
            raise PayloadTooLarge(
                f"The upload has {size_bytes} bytes, its grant allows {self.max_bytes}.",
                field="size_bytes",
                limit=self.max_bytes,
                got=size_bytes,
            )
        if content_type != self.content_type:
            raise MediaTypeUnsupported(
                "The upload has another Content-Type than was announced.",
                field="content_type",
                limit=self.content_type,
                got=content_type[:64],
            )
        if sha256 != self.sha256:
            raise ChecksumMismatch(
                f"The upload's {size_bytes} bytes are not those that were announced.",
                field="sha256",
                limit=self.sha256[:12],
                got=sha256[:12],
            )


def check_event(event: ObjectEvent, *, bucket: str) -> None:
    """Hold an event to what the upload door takes: a new object below inbox/ of the stack's data bucket.

    Raises
    ------
    EventForeign   it is of another bucket, of another kind, or of an object elsewhere, e.g. a result of ours
    """
    if event.bucket != bucket:
        raise EventForeign(
            "The event is of another bucket than the stack's data bucket. Let only that bucket's events come here.",
            field=f"{event.field}.bucket.name",
        )
    if not event.is_created:
        name = event.name if _EVENT_NAME.fullmatch(event.name) else "?"
        raise EventForeign(
            f"The event is {name}, not of a new object. Let only S3's ObjectCreated events come here.",
            field=event.field,
            got=name,
        )
    if not event.key.startswith(f"{INBOX}/"):
        raise EventForeign(
            f"The object lies outside of {INBOX}/, where uploads are. Choose the events by this prefix of the key.",
            field=f"{event.field}.object.key",
        )


def is_upload_id(text: str) -> bool:
    """Return whether a grant may have this id."""
    return _UPLOAD_ID.fullmatch(text) is not None


def granted_upload_id(key: str) -> str | None:
    """Return the upload id in ``inbox/{tenant}/{model}/{upload id}/{name}``; None for a key that no grant has made."""
    parts = key.split("/")
    if len(parts) == _ID_PART + 2 and is_upload_id(parts[_ID_PART]):
        return parts[_ID_PART]
    return None
