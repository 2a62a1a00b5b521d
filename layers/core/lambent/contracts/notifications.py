"""What is told of a job that has ended: what its request asks for, the event itself, and how its webhook fared."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
