"""Composition of NotifyFunction: webhooks, and the secrets that sign them; see `wiring`."""

from __future__ import annotations

from functools import cache
from random import random
from typing import TYPE_CHECKING

from lambent.runtime import parts
from lambent.runtime.settings import NotifySettings, load_settings
from lambent.runtime.wiring import jobs_settings

if TYPE_CHECKING:
    from lambent.ports import MessageHold, Queue
    from lambent.services.deliver_webhook import DeliverWebhookService
    from lambent.services.webhook_secret import WebhookSecretService


@cache
def notify_settings() -> NotifySettings:
    """Return the settings of NotifyFunction."""
    return load_settings(NotifySettings)


@cache
def deliver_webhook_service() -> DeliverWebhookService:
    """Return NotifyFunction's service."""
    from lambent.adapters.webhook_http import HttpWebhookSender
    from lambent.services.deliver_webhook import DeliverWebhookService

    settings = notify_settings()
    return DeliverWebhookService(
        jobs=parts.jobs(settings.table_name),
        secrets=parts.webhook_secrets(settings.table_name),
        sender=HttpWebhookSender(),
        clock=parts.CLOCK,
        trusted_hosts=settings.trusted_hosts,
        jitter=random,
    )


@cache
def notify_queue() -> MessageHold:
    """Return the hold on the messages that NotifyFunction is given."""
    return parts.queue(notify_settings().notify_queue_url)


@cache
def notify_dead_letters() -> Queue:
    """Return where NotifyFunction puts what it gives up, with the reason."""
    return parts.queue(notify_settings().notify_dead_letter_queue_url)


@cache
def webhook_secret_service() -> WebhookSecretService:
    """Return JobsFunction's reads and exchanges of secrets."""
    return parts.webhook_secrets(jobs_settings().table_name)
