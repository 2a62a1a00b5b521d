"""Messages of calls for later: answered, or ended with what they have where nobody delivers them again."""

from lambent.contracts.messages import CallMessage
from lambent.domain.model import ModelRef, Target
from lambent.errors import LambentError, restore_error
from lambent.runtime.records import tell_outcome
from lambent.runtime.wiring_jobs import isolated_run_call_service, run_call_service


def run_call(message: CallMessage, *, is_isolated: bool) -> LambentError | None:
    """Answer a stored call; an error that it met is its outcome and not retried."""
    service = isolated_run_call_service() if is_isolated else run_call_service()
    outcome = service.run(message.tenant, message.job_id)
    if outcome is None:
        return None  # the job had ended before
    target = None
    if outcome.model is not None and outcome.version is not None:
        target = Target(ModelRef(outcome.model, outcome.version), outcome.is_canary)
    error = None if outcome.error is None else restore_error(outcome.error)
    tell_outcome("call", error, target)
    return error


def give_up_call(message: CallMessage, error: LambentError) -> None:
    """End a call whose message is not delivered again."""
    run_call_service().give_up(message.tenant, message.job_id, error)
