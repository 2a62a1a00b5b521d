"""The reader of dead letters: what it found is logged and counted by queue."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.domain.dead_letters import DeadLetter, DeathRecord
from lambent.errors import Unavailable
from lambent.runtime.observability import DEAD_LETTERS_RECORDED, DEAD_LETTERS_UNRECORDED, logger, record
from lambent.runtime.wiring_dead_letters import dead_letter_reader
from lambent.services.read_dead_letters import Listeners, ReadReport

# What is left of the invocation when the reader has to stop: for the message in its hands, a shard's part at most.
STOP_BEFORE_MS = 20_000


def read_dead_letters(context: LambdaContext) -> ReadReport:
    """Record the dead letters that are not recorded yet; raises Unavailable if some could not be."""
    report = dead_letter_reader().read(
        told=Listeners(on_record=note_death, on_error=note_unrecorded),
        should_stop=lambda: context.get_remaining_time_in_millis() < STOP_BEFORE_MS,
    )
    if report.unrecorded:
        # A failed invocation raises the alarm of this function's errors; the next one tries again.
        raise Unavailable(f"{report.unrecorded} of {report.seen} dead letters could not be recorded.")
    return report


def note_death(death: DeathRecord) -> None:
    """Log and count a dead letter that was recorded."""
    told = {"became": death.became.value, "code": death.code, "tenant": death.tenant, "message_id": death.message_id}
    values = {DEAD_LETTERS_RECORDED: 1}
    record("dead letter recorded", values, level="WARNING", by="queue", queue=death.queue, **told)


def note_unrecorded(letter: DeadLetter, error: Exception) -> None:
    """Log and count a dead letter that could not be recorded this time."""
    logger.error("dead letter not recorded", exc_info=error, queue=letter.queue, message_id=letter.message_id)
    record("dead letter waits", {DEAD_LETTERS_UNRECORDED: 1}, level="ERROR", by="queue", queue=letter.queue)
