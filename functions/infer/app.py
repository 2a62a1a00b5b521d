"""InferFunction: preprocessed uploads and CPU-lane shards into results."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from shard_messages import run_shard

from lambent.adapters.tenant_s3 import acting_for
from lambent.contracts.messages import CallMessage, InferMessage, ShardMessage, read_infer_message
from lambent.domain.model import ModelRef, Target
from lambent.errors import restore_error
from lambent.runtime.observability import logger, metrics
from lambent.runtime.records import process_records, tell_outcome
from lambent.runtime.wiring import infer_dead_letters, infer_service
from lambent.runtime.wiring_jobs import run_call_service


def record_handler(context: LambdaContext, sent: SQSRecord) -> None:
    """Run one message of any kind, with the objects of its tenant in reach and nobody else's."""
    message = read_infer_message(sent.body)
    with acting_for(message.tenant):
        run(message, context, is_suspect=int(sent.attributes.approximate_receive_count or 1) > 1)


def run(message: InferMessage, context: LambdaContext, *, is_suspect: bool) -> None:
    """Run what a message asks for."""
    if isinstance(message, ShardMessage):
        run_shard(message, context, is_suspect=is_suspect)
        return
    if isinstance(message, CallMessage):
        run_call(message)
        return
    error = infer_service().infer(message)
    tell_outcome("inference", error, Target(ModelRef(message.model, message.version), message.is_canary))


def run_call(message: CallMessage) -> None:
    """Answer a stored call; an error that it met is its outcome and not retried."""
    outcome = run_call_service().run(message.tenant, message.job_id)
    if outcome is None:
        return  # the job had ended before
    target = None
    if outcome.model is not None and outcome.version is not None:
        target = Target(ModelRef(outcome.model, outcome.version), outcome.is_canary)
    tell_outcome("call", None if outcome.error is None else restore_error(outcome.error), target)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(event, context, partial(record_handler, context), infer_dead_letters)
