"""NotifyFunction: webhooks of ended jobs; never imports numpy."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.notifications import WEBHOOK_DELIVERED, WEBHOOK_GIVEN_UP
from lambent.errors import EnvelopeInvalid
from lambent.runtime.observability import (
    WEBHOOK_FAILURES,
    WEBHOOKS_DELIVERED,
    WEBHOOKS_GIVEN_UP,
    count,
    log_refusal,
    logger,
    metrics,
)
from lambent.runtime.records import StaysInQueue, process_records
from lambent.runtime.wiring_notify import deliver_webhook_service, notify_dead_letters, notify_queue

_METRICS = {WEBHOOK_DELIVERED: WEBHOOKS_DELIVERED, WEBHOOK_GIVEN_UP: WEBHOOKS_GIVEN_UP}


def record_handler(record: SQSRecord) -> None:
    """Make one attempt; the queue keeps a message until its webhook is delivered or given up."""
    try:
        delivery = deliver_webhook_service().deliver(record.body, attempt=_attempt(record))
    except EnvelopeInvalid as error:
        log_refusal("notification refused", error)
        _bury(record, error.code, error.detail)
        return
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
        _bury(record, "webhook_given_up", outcome.last_error or "")


def _attempt(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count or 1)


def _bury(record: SQSRecord, code: str, reason: str) -> None:
    notify_dead_letters().send(record.body.encode(), attributes={"reason_code": code, "reason": reason[:512]})


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed, and those that wait for their next attempt, come back."""
    return process_records(event, context, record_handler)
