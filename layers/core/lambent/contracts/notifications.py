"""Who is told of the end of a job."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

TerminalState = Literal["SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"]


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    pass


class WebhookTarget(_Contract, frozen=True, kw_only=True):
    """An https address that takes a signed POST."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]


class JobNotification(_Contract, frozen=True, kw_only=True):
    """How the end of a job is told; ``on`` limits it to some ends."""

    webhook: WebhookTarget | None = None
    sns: bool = True
    eventbridge: bool = True
    on: Annotated[list[TerminalState], Meta(min_length=1, max_length=4)] | None = None
