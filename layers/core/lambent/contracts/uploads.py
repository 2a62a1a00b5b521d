"""What POST /uploads takes and answers, and what is told of an upload."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lambent.errors import RequestInvalid

# RFC 9110's type and subtype, without parameters: S3 compares the form field byte by byte.
_MEDIA_TYPE = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}\Z"
_FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class UploadRequest(_Contract, frozen=True, kw_only=True):
    """One object to come: for which model, and exactly which bytes. ``sha256`` is of the content, in lower-case hex."""

    model: Annotated[str, Meta(max_length=64)]
    content_type: Annotated[str, Meta(pattern=_MEDIA_TYPE)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size_bytes: Annotated[int, Meta(ge=1)] | None = None
    name: Annotated[str, Meta(pattern=_FILE_NAME)] = "upload"
    version: Annotated[str, Meta(max_length=64)] | None = None
    label: Annotated[str, Meta(max_length=64)] | None = None

    def __post_init__(self) -> None:
        """Refuse a request that names both a version and a label."""
        if self.label is not None and self.version is not None:
            raise RequestInvalid("Name a version or a label, not both.", field="version")


# S3 takes no larger form; what a batch reads of it has limits of its own.
MAX_INPUT_BYTES = 5_000_000_000


class InputRequest(_Contract, frozen=True, kw_only=True):
    """A batch's input to come: exactly these bytes. ``sha256`` is of the content, in lower-case hex."""

    content_type: Annotated[str, Meta(pattern=_MEDIA_TYPE)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size_bytes: Annotated[int, Meta(ge=1, le=MAX_INPUT_BYTES)]
    name: Annotated[str, Meta(pattern=_FILE_NAME)]


class UploadForm(_Contract, frozen=True, kw_only=True):
    """A multipart/form-data POST: these fields first, as they are, then the content in ``file_field``."""

    method: Literal["POST"] = "POST"
    url: str
    fields: dict[str, str]
    file_field: Literal["file"] = "file"


class NextRequest(_Contract, frozen=True, kw_only=True):
    """A request to send next."""

    method: Literal["GET", "POST"]
    path: str
    body: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class GrantView(_Contract, frozen=True, kw_only=True):
    """POST /uploads: send ``upload`` before ``expires_at``, then ask for the result as ``then`` says."""

    id: str
    model: str
    expires_at: str
    upload: UploadForm
    then: NextRequest


class InputGrantView(_Contract, frozen=True, kw_only=True):
    """POST /inputs: send ``upload`` before ``expires_at``; ``uri`` is the address to name in a batch request then."""

    uri: str
    expires_at: str
    upload: UploadForm
    then: NextRequest


class UploadView(_Contract, frozen=True, kw_only=True):
    """GET /uploads/{id}: pending until there is a result or an error object, which then stands in it."""

    id: str
    state: Literal["pending", "done", "failed"]
    model: str
    created_at: str
    expires_at: str
    result: msgspec.Raw | None
    error: msgspec.Raw | None
