"""InferFunction: preprocessed uploads and CPU-lane shards into results."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.decoding import decode_json
from lambent.contracts.messages import CallMessage, InferMessage, ShardMessage
from lambent.errors import LambentError, restore_error
from lambent.runtime.observability import (
    PREDICTIONS,
    RECORDED_FAILURES,
    count,
    log_refusal,
    logger,
    metrics,
)
from lambent.runtime.records import process_records
from lambent.runtime.wiring import infer_finisher, infer_service, shard_service
from lambent.runtime.wiring_jobs import run_call_service


def record_handler(record: SQSRecord) -> None:
    """Run one message of any kind."""
    message = decode_json(record.body, InferMessage, what="inference message")  # type: ignore[arg-type]
    if isinstance(message, ShardMessage):
        run_shard(message)
        return
    if isinstance(message, CallMessage):
        run_call(message)
        return
    error = infer_service().infer(message)
    count(PREDICTIONS if error is None else RECORDED_FAILURES)
    if error is not None:
        log_refusal("inference refused", error)


def run_call(message: CallMessage) -> None:
    """Answer a stored call; an error that it met is its outcome and not retried."""
    outcome = run_call_service().run(message.tenant, message.job_id)
    if outcome is not None and outcome.error is not None:
        log_refusal("call refused", restore_error(outcome.error))
    count(PREDICTIONS if outcome is None or outcome.error is None else RECORDED_FAILURES)


def run_shard(message: ShardMessage) -> None:
    """Run a shard, or record for all its items why it cannot run; the last shard ends the job."""
    try:
        shard_service().run(message.tenant, message.job_id, message.shard)
    except LambentError as error:
        if not error.is_final:
            raise
        log_refusal("shard refused", error)
        shard_service().fail(message.tenant, message.job_id, message.shard, error)
    count(PREDICTIONS)
    infer_finisher().finish_if_complete(message.tenant, message.job_id)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(event, context, record_handler)
