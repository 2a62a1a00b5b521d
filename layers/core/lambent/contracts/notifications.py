"""What is told of a job that has ended: what its request asks for, the event itself, and how its webhook fared."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lambent.contracts.messages import TenantName

TerminalState = Literal["SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"]
MAX_URL_LENGTH = 2048


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    pass


class WebhookTarget(_Contract, frozen=True, kw_only=True):
    """An address that takes events by POST; what it may be, `domain.webhook_url` says."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL_LENGTH)]


class JobNotification(_Contract, frozen=True, kw_only=True):
    """Field ``notification`` of a batch request: who is told of its end.

    ``on`` names the terminal states that are told; all of them without it.
    """

    webhook: WebhookTarget | None = None
    sns: bool = True
    eventbridge: bool = True
    on: Annotated[list[TerminalState], Meta(min_length=1, max_length=4)] | None = None


WEBHOOK_DELIVERED = "delivered"
WEBHOOK_RETRYING = "retrying"
WEBHOOK_GIVEN_UP = "given_up"


class WebhookView(_Contract, frozen=True, kw_only=True):
    """How the delivery of a job's webhook stands.

    ``last_status`` is the receiver's last HTTP status, None if it did not answer; ``last_error`` why the last attempt
    failed; ``at`` when the last attempt ended.
    """

    state: Literal["delivered", "retrying", "given_up"]
    attempts: int
    last_status: int | None
    last_error: str | None
    at: str


class NotificationView(_Contract, frozen=True, kw_only=True):
    """Field ``notification`` of a job: None for a webhook that was not asked for or not tried yet."""

    webhook: WebhookView | None


class JobEnded(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of the job: its outcome, and ``results``, the path of its results at the HTTP door."""

    job_id: str
    kind: str
    state: TerminalState
    model: str
    version: str | None
    lane: str | None
    total: int | None
    done: int
    failed: int
    created_at: str
    ended_at: str
    results: str


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a job, as its webhook gets it: Standard Webhooks' ``type``, ``timestamp`` and ``data``, and its id.

    Operators, on SNS and EventBridge, get the same with a field ``tenant``.
    """

    schema_version: Literal[1] = 1
    id: str
    type: Literal["lambent.job.succeeded", "lambent.job.partial", "lambent.job.failed", "lambent.job.cancelled"]
    timestamp: str
    data: JobEnded


class NotifyMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook to deliver, as it travels on NotifyQueue; whereto and what stand in the job's record."""

    schema_version: Literal[1] = 1
    tenant: TenantName
    job_id: Annotated[str, Meta(min_length=1, max_length=64)]


class WebhookSecretView(_Contract, frozen=True, kw_only=True):
    """The secret that signs a tenant's webhooks (Standard Webhooks: ``whsec_`` and base64).

    Until ``previous_valid_until`` the secret before it signs too, beside it; None if there is none.
    """

    secret: str
    created_at: str
    previous_valid_until: str | None
