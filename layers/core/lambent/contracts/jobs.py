"""A batch's items and plan."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.quotes import Estimate


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    pass


class ZipMember(_Contract, frozen=True, kw_only=True, array_like=True):
    """Where a member's compressed bytes lie in a zip object, counted from the object's beginning, and what they make.

    ``header_offset`` is that of the local header, whose own length is only known from its bytes.
    """

    header_offset: int
    compressed_bytes: int
    size_bytes: int
    method: int
    crc32: int


class ShardItem(_Contract, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a job, a line of its items object: an id, its line or row in the source, and where its content is.

    Content is one of: the object at ``key``; the ``member`` of the zip object there; ``text``, ``row`` or ``data``
    (a picture's bytes) themselves.
    """

    id: str
    line: int
    key: str | None = None
    member: ZipMember | None = None
    text: str | None = None
    row: dict[str, Any] | None = None
    data: bytes | None = None


class Plan(_Contract, frozen=True, kw_only=True):
    """plan.json: what was decided for a job, and why; written once, it counts for every later attempt.

    items_file    the object beside it with a `ShardItem` a line; named by its digest, so that two dispatchers that race
                  with different inputs do not overwrite each other's
    offsets       where each shard's lines begin in it, in bytes, and where the last one ends: ``shards + 1`` numbers
    concurrency   CPU lane: how many shards are in flight at once at the highest priority
    accepted_at   when the job was accepted, which tells its plan from one that an older job of its id has left
    is_canary     whether the version was its label's canary, None if the label had none
    estimate      what was expected of both lanes, None in plans of older releases
    """

    schema_version: Literal[2] = 2
    tenant: str
    job_id: str
    model: str
    version: int
    lane: Literal["cpu", "gpu"]
    total: int
    shards: int
    shard_items: int
    items_file: str
    offsets: list[int]
    concurrency: int
    output: OutputOptions
    accepted_at: str
    expires_at_s: int
    deadline_s: float | None = None
    why: str
    is_canary: bool | None = None
    estimate: Estimate | None = None

    def items_of(self, shard: int) -> int:
        """Return how many items a shard has."""
        return min(self.shard_items, self.total - shard * self.shard_items)
