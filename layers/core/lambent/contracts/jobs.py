"""The batch request that every door takes, its manifest, its plan and what is told of a job."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lambent.contracts.notifications import JobNotification, NotificationView
from lambent.errors import RequestInvalid

JOB_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}\Z"


def is_job_id(text: str) -> bool:
    """Return whether a job may have this id."""
    return re.match(JOB_ID_PATTERN, text) is not None


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    pass


class BatchInput(_Contract, frozen=True, kw_only=True):
    """Where the items are: a JSONL manifest in the tenant's ``inputs/`` prefix."""

    manifest_uri: Annotated[str, Meta(max_length=2048)]


class _Batch(_Contract, frozen=True, kw_only=True):
    schema_version: Literal[1]
    model: Annotated[str, Meta(max_length=64)]
    input: BatchInput
    label: Annotated[str, Meta(max_length=64)] | None = None
    version: Annotated[str, Meta(max_length=64)] | None = None
    lane: Literal["auto", "cpu", "gpu"] = "auto"
    notification: JobNotification | None = None

    def __post_init__(self) -> None:
        """Refuse a request that names both a version and a label."""
        if self.label is not None and self.version is not None:
            raise RequestInvalid("Name a version or a label, not both.", field="version")


class BatchRequest(_Batch, frozen=True, kw_only=True):
    """One batch. The tenant is never in it: the door knows who asks.

    ``id`` names the job within its tenant, so that sending the same request again is harmless.
    """

    id: Annotated[str, Meta(pattern=JOB_ID_PATTERN)]


class BatchSubmission(_Batch, frozen=True, kw_only=True):
    """A batch as POST /jobs takes it: an Idempotency-Key can stand for the id."""

    id: Annotated[str, Meta(pattern=JOB_ID_PATTERN)] | None = None


class ManifestItem(_Contract, frozen=True, kw_only=True):
    """One line of the manifest."""

    id: Annotated[str, Meta(min_length=1, max_length=256)]
    uri: Annotated[str, Meta(max_length=2048)]


class ShardItem(_Contract, frozen=True, kw_only=True):
    """One item of a shard: its id, its key in the data bucket and the manifest line it came from."""

    id: str
    key: str
    line: int


class Plan(_Contract, frozen=True, kw_only=True):
    """plan.json: what was decided for a job, and why.

    ``is_canary`` says whether the version was its label's canary, None if the label had none.
    """

    schema_version: Literal[1] = 1
    tenant: str
    job_id: str
    model: str
    version: int
    lane: Literal["cpu", "gpu"]
    total: int
    shards: int
    shard_items: int
    items_sha256: str
    expires_at_s: int
    why: str
    is_canary: bool | None = None

    def shard_file(self, shard: int) -> str:
        """Return the name of a shard's items beside the plan.

        The digest keeps shards of two dispatchers that race with different manifests apart; the plan that is written
        first names the ones that count.
        """
        return f"shards/{self.items_sha256[:16]}/{shard:05d}.jsonl"


class ShardView(_Contract, frozen=True, kw_only=True):
    """Progress of one shard."""

    shard: int
    state: str
    done: int
    failed: int


class JobView(_Contract, frozen=True, kw_only=True):
    """GET /jobs/{id}; ``result`` is where the answer of a call is, once there is one.

    ``notification`` tells how the delivery of the webhook stands that the request asks for; None before its first
    attempt.
    """

    id: str
    kind: str
    state: str
    model: str
    version: str | None
    lane: str | None
    total: int | None
    done: int
    failed: int
    shards: list[ShardView]
    created_at: str
    updated_at: str
    why: str | None
    error: dict[str, Any] | None
    result: str | None
    notification: NotificationView | None = None
