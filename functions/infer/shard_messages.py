"""Messages of shards: run, sent again where the invocation ends first, or failed as a whole."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.contracts.messages import ShardMessage
from lambent.domain.model import Target
from lambent.errors import Interrupted, LambentError
from lambent.runtime.observability import log_refusal
from lambent.runtime.records import tell_outcome
from lambent.runtime.wiring import infer_shard_sender, job_advancer, shard_service

# What is left of the invocation when a shard has to stop: for its checkpoint, and for the records after it.
STOP_BEFORE_MS = 15_000


def run_shard(message: ShardMessage, context: LambdaContext) -> None:
    """Run a shard, or record for all its items why it cannot run; then go on with its job.

    A shard that does not end before the invocation has to goes back to the queue, where another one takes it from its
    checkpoint. One that gains nothing comes back by the queue's own retries, which have an end.
    """
    try:
        target = shard_service().run(
            *(message.tenant, message.job_id, message.shard),
            should_stop=lambda: context.get_remaining_time_in_millis() < STOP_BEFORE_MS,
        )
    except Interrupted as stop:
        if not stop.gained:
            raise
        infer_shard_sender().again(message)
        return
    except LambentError as error:
        if not error.is_final:
            raise
        fail_shard(message, error)
        return
    _go_on(message, target)


def fail_shard(message: ShardMessage, error: LambentError) -> None:
    """Record an error for all items of a shard, then go on with its job."""
    target = shard_service().fail(message.tenant, message.job_id, message.shard, error)
    log_refusal("shard refused", error, target=target)
    _go_on(message, target)


def _go_on(message: ShardMessage, target: Target) -> None:
    tell_outcome("shard", None, target)
    job_advancer().after_shard(message.tenant, message.job_id, slot=message.slot)
