"""NotifyFunction: webhooks of ended jobs; never imports numpy."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.notifications import WEBHOOK_DELIVERED, WEBHOOK_GIVEN_UP
from lambent.runtime.deliveries import Delivery, StaysInQueue
from lambent.runtime.observability import (
    WEBHOOK_FAILURES,
    WEBHOOKS_DELIVERED,
    WEBHOOKS_GIVEN_UP,
    count,
    logger,
    metrics,
)
from lambent.runtime.records import bury, process_records
from lambent.runtime.wiring_notify import (
    deliver_webhook_service,
    notify_dead_letters,
    notify_queue,
    notify_settings,
)

_METRICS = {WEBHOOK_DELIVERED: WEBHOOKS_DELIVERED, WEBHOOK_GIVEN_UP: WEBHOOKS_GIVEN_UP}


NOT_DELIVERED = "the process that worked on it was ended, or what it depends on did not answer."


def record_handler(receive: Delivery) -> None:
    """Make one attempt; the queue keeps a message until its webhook is delivered or given up.

    The last receive, which none reaches by its schedule, makes none: it may be what ends the process.
    """
    record, service = receive.record, deliver_webhook_service()
    if receive.is_last:
        receive.give_up(partial(service.give_up, record.body), NOT_DELIVERED)
    delivery = service.deliver(record.body, attempt=receive.receives)
    if delivery is None:
        return
    outcome = delivery.outcome
    count(_METRICS.get(outcome.state, WEBHOOK_FAILURES))
    told = {"state": outcome.state, "status": outcome.last_status, "error": outcome.last_error}
    logger.info("webhook", tenant=delivery.tenant, job_id=delivery.job_id, attempts=outcome.attempts, **told)
    if delivery.pause_s is not None:
        notify_queue().hold(record.receipt_handle, pause_s=delivery.pause_s)
        raise StaysInQueue
    if outcome.state == WEBHOOK_GIVEN_UP:
        bury(record, "webhook_given_up", outcome.last_error or "", notify_dead_letters())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed, and those that wait for their next attempt, come back."""
    return process_records(
        event, context, record_handler, notify_dead_letters, max_receives=lambda: notify_settings().max_receive_count
    )
