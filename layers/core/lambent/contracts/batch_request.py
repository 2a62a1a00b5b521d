"""The one batch request of all doors: POST /jobs, a queue message, an uploaded manifest, `lambent jobs submit`.

The tenant is never in it: the door knows who asks. Fields that came later than version 1's first form are absent unless
somebody sets them, so that the digest of an older request stays what it was.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lambent.contracts.notifications import JobNotification
from lambent.errors import RequestInvalid

JOB_ID_MAX = 64
JOB_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}\Z"
MAX_INLINE_ITEMS = 1_000
DEFAULT_PRIORITY = 5
MAX_PRIORITY = 9

ItemId = Annotated[str, Meta(min_length=1, max_length=256)]
Uri = Annotated[str, Meta(max_length=2048)]
Priority = Annotated[int, Meta(ge=0, le=MAX_PRIORITY)]
InputFormat = Literal["jsonl", "csv", "parquet", "zip"]


def is_job_id(text: str) -> bool:
    """Return whether a job may have this id."""
    return re.match(JOB_ID_PATTERN, text) is not None


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    pass


class InlineImage(_Contract, frozen=True, kw_only=True):
    """A picture's bytes, in base64."""

    b64: bytes


class ManifestItem(_Contract, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a JSONL manifest, or one inline item: an id and one of an address, a text, a row or a picture."""

    id: ItemId
    uri: Uri | None = None
    text: str | None = None
    row: dict[str, Any] | None = None
    image: InlineImage | None = None

    def __post_init__(self) -> None:
        """Refuse an item that is nothing, or two things."""
        _one_of(self, ("uri", "text", "row", "image"), what="item")


class BatchInput(_Contract, frozen=True, kw_only=True, omit_defaults=True):
    """Where the items are: exactly one of these.

    manifest_uri   a JSONL manifest, the same as ``uri`` with ``format: jsonl``
    uri            a JSONL manifest, a CSV or Parquet table, or a zip of pictures; ``format`` says so where the name's
                   ending does not. ``id_column`` names the column of a table that holds ids, else it is a column ``id``
                   that is none of the model's, else a row's number is its id. With ``etag`` the object must be the one
                   of this etag still when the job is planned.
    prefix         every object under an address that ends in ``/``, its id being the rest of the key
    items          the items themselves
    failed_of      what failed in an earlier job of the same tenant and model
    """

    manifest_uri: Uri | None = None
    uri: Uri | None = None
    format: InputFormat | None = None
    id_column: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    etag: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    prefix: Uri | None = None
    items: Annotated[list[ManifestItem], Meta(min_length=1, max_length=MAX_INLINE_ITEMS)] | None = None
    failed_of: Annotated[str, Meta(pattern=JOB_ID_PATTERN)] | None = None

    def __post_init__(self) -> None:
        """Refuse an input that names nothing, or two things."""
        _one_of(self, ("manifest_uri", "uri", "prefix", "items", "failed_of"), what="input")
        if self.uri is None and (self.format, self.id_column, self.etag) != (None, None, None):
            raise RequestInvalid("`format`, `id_column` and `etag` belong to `uri`.", field="input.format")


class OutputOptions(_Contract, frozen=True, kw_only=True):
    """How results are written.

    ``order`` ``item``: as the items stand, the same bytes however often the job was interrupted. ``produced``: as they
    come, which does not wait for a slow download.
    """

    format: Literal["jsonl", "parquet"] = "jsonl"
    compression: Literal["none", "gzip"] = "none"
    order: Literal["item", "produced"] = "item"

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.format == "parquet" and self.compression != "none":
            raise RequestInvalid(
                "Parquet parts are compressed inside already; leave output.compression out.",
                field="output.compression",
            )


class _Batch(_Contract, frozen=True, kw_only=True):
    schema_version: Literal[1]
    model: Annotated[str, Meta(max_length=64)]
    input: BatchInput
    label: Annotated[str, Meta(max_length=64)] | None = None
    version: Annotated[str, Meta(max_length=64)] | None = None
    lane: Literal["auto", "cpu", "gpu"] = "auto"
    output: OutputOptions | UnsetType = UNSET
    deadline: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    notification: JobNotification | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse a request that names both a version and a label, or a deadline at the end of all time."""
        if self.label is not None and self.version is not None:
            raise RequestInvalid("Name a version or a label, not both.", field="version")
        # A year more or less, by its zone or by rounding, would be one that no timestamp can tell.
        if not isinstance(self.deadline, UnsetType) and self.deadline.year in (MINYEAR, MAXYEAR):
            raise RequestInvalid("A deadline of this year cannot be meant.", field="deadline", got=self.deadline.year)

    @property
    def output_options(self) -> OutputOptions:
        """How results are written."""
        return OutputOptions() if isinstance(self.output, UnsetType) else self.output

    @property
    def priority_or_default(self) -> int:
        """0 is the lowest, 9 the highest."""
        return DEFAULT_PRIORITY if isinstance(self.priority, UnsetType) else self.priority

    @property
    def deadline_s(self) -> float | None:
        """When the job has to be done, in seconds since 1970."""
        return None if isinstance(self.deadline, UnsetType) else self.deadline.timestamp()


class BatchRequest(_Batch, frozen=True, kw_only=True):
    """One batch, as it lies on the queue and in the ledger.

    ``id`` names the job within its tenant, so that sending the same request again is harmless.
    """

    id: Annotated[str, Meta(pattern=JOB_ID_PATTERN)]


class BatchSubmission(_Batch, frozen=True, kw_only=True):
    """A batch as POST /jobs takes it: an Idempotency-Key can stand for the id."""

    id: Annotated[str, Meta(pattern=JOB_ID_PATTERN)] | None = None


class PriorityRequest(_Contract, frozen=True, kw_only=True):
    """Body of POST /jobs/{id}/priority."""

    priority: Priority


def _one_of(struct: msgspec.Struct, names: tuple[str, ...], *, what: str) -> None:
    given = [name for name in names if getattr(struct, name) is not None]
    if len(given) != 1:
        raise RequestInvalid(
            f"An {what} has exactly one of {', '.join(names)}; this one has {len(given)}.",
            field=what if not given else f"{what}.{given[1]}",
            limit=list(names),
            got=given,
        )
