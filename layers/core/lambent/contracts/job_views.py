"""What is told of jobs: of one, of many, of their results and errors."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.notifications import NotificationView
from lambent.contracts.quotes import Estimate, Receipt


class _View(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    pass


class _Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A page; ``next_cursor`` is left out on the last one."""

    next_cursor: str | None = None


class ShardView(_View, frozen=True, kw_only=True):
    """Progress of one shard: RUNNING, FINISHED, or STOPPED where its job ended first."""

    shard: int
    state: str
    done: int
    failed: int


class ShardCounts(_View, frozen=True, kw_only=True):
    """How many of a job's shards are where, all together those of its plan; ``waiting`` ones do not run now."""

    waiting: int
    running: int
    finished: int


class WaitingView(_View, frozen=True, kw_only=True):
    """Why a job is not running: ``code`` for programs, ``detail`` for people."""

    code: str
    detail: str


class JobView(_View, frozen=True, kw_only=True):
    """GET /jobs/{id}.

    ``output`` is how a batch's results are written, null for a call. ``shards`` holds at most 100 of those that have
    begun, unfinished ones first; ``shard_counts`` counts all of them. ``rate`` is in items a second over the running
    shards, ``eta_s`` in seconds from now, both null where nothing runs. ``waiting`` says why a job that has not ended
    does not run. ``parent`` is the job of which this one repeats what failed. ``result`` is where the answer of a call
    is, once there is one. ``notification`` tells how the delivery of the webhook stands that the request asks for; null
    before its first attempt. ``estimate`` and ``receipt`` are a batch's, once it is planned and once it has ended.
    """

    id: str
    kind: str
    state: str
    model: str
    version: str | None
    lane: str | None
    output: OutputOptions | None
    priority: int
    deadline: str | None
    parent: str | None
    total: int | None
    done: int
    failed: int
    rate: float | None
    eta_s: float | None
    estimated_end: str | None
    waiting: WaitingView | None
    shard_counts: ShardCounts | None
    shards: list[ShardView]
    created_at: str
    updated_at: str
    why: str | None
    error: dict[str, Any] | None
    result: str | None
    notification: NotificationView | None = None
    estimate: Estimate | None = None
    receipt: Receipt | None = None


class JobEntry(_View, frozen=True, kw_only=True):
    """One job of a list; ``done`` and ``failed`` are null until it has ended, GET /jobs/{id} counts before."""

    id: str
    kind: str
    state: str
    model: str
    version: str | None
    lane: str | None
    total: int | None
    done: int | None
    failed: int | None
    created_at: str
    updated_at: str


class JobPage(_Page, frozen=True, kw_only=True):
    """GET /jobs: the newest first. A page of few jobs, or of none, may have a ``next_cursor`` all the same."""

    jobs: list[JobEntry]


class PartView(_View, frozen=True, kw_only=True):
    """The results of one finished shard, at ``url`` for a while; no key is needed there.

    ``size_bytes`` and ``sha256`` (hex) are those of the file; they and ``lines`` are null for one that was written when
    the job ended.
    """

    shard: int
    lines: int | None
    size_bytes: int | None
    sha256: str | None
    content_type: str
    url: str


class ResultPage(_Page, frozen=True, kw_only=True):
    """GET /jobs/{id}/results as JSON: finished parts, in the order of their shards.

    ``state`` is the job's: before it has ended there may be more parts later, of smaller shards too. ``expires_s``: for
    how many seconds the addresses are good.
    """

    state: str
    expires_s: int
    parts: list[PartView]


class ErrorPage(_Page, frozen=True, kw_only=True):
    """GET /jobs/{id}/errors: items that failed in finished shards, each with its id, its line in the input and why.

    ``state`` is the job's: before it has ended there may be more errors later, of smaller shards too.
    """

    state: str
    errors: list[dict[str, Any]]
