"""InferFunction: preprocessed uploads and CPU-lane shards into results."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from call_messages import give_up_call, run_call
from shard_messages import fail_shard, run_shard

from lambent.adapters.tenant_s3 import acting_for
from lambent.contracts.messages import CallMessage, InferMessage, ShardMessage, read_infer_message
from lambent.domain.model import ModelRef, Target
from lambent.errors import LambentError
from lambent.runtime.deliveries import Delivery
from lambent.runtime.observability import logger, metrics
from lambent.runtime.records import process_records, tell_outcome
from lambent.runtime.wiring import (
    infer_dead_letters,
    infer_queue,
    infer_service,
    infer_settings,
    isolated_infer_service,
)


def record_handler(context: LambdaContext, delivery: Delivery) -> LambentError | None:
    """Run one message of any kind, with the objects of its tenant in reach and nobody else's.

    Returns
    -------
    the permanent error that is the outcome of an upload or a call, if there is one
    """
    message = read_infer_message(delivery.record.body)
    with acting_for(message.tenant):
        return run(message, context, delivery)


def run(message: InferMessage, context: LambdaContext, delivery: Delivery) -> LambentError | None:
    """Run what a message asks for; see `record_handler`."""
    if isinstance(message, ShardMessage):
        with delivery.giving_up_last(partial(fail_shard, message)):
            run_shard(message, context, is_suspect=delivery.is_suspect)
        return None
    if isinstance(message, CallMessage):
        with delivery.giving_up_last(partial(give_up_call, message)):
            return run_call(message, is_isolated=delivery.is_suspect)
    with delivery.giving_up_last(lambda error: infer_service().give_up(message, error)):
        service = isolated_infer_service() if delivery.is_suspect else infer_service()
        error = service.infer(message)
    tell_outcome("inference", error, Target(ModelRef(message.model, message.version), message.is_canary))
    return error


def max_receives() -> int:
    """Return how often InferQueue gives out a message."""
    return infer_settings().max_receive_count


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle a batch; only the records that failed come back."""
    return process_records(
        *(event, context, partial(record_handler, context), infer_dead_letters),
        max_receives=max_receives,
        queue=infer_queue,
    )
