"""One receive of a queue's message, and what its handler may say of it: done, later, or never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from lambent.errors import LambentError, ProcessingGaveUp
from lambent.runtime.observability import logger


class StaysInQueue(Exception):
    """Raised by a record's handler that wants the record again later: nothing has failed."""


class GivenUp(Exception):
    """Raised by a record's handler at its last receive, once its failure is recorded where its owner looks."""

    def __init__(self, error: ProcessingGaveUp) -> None:
        super().__init__(error.detail)
        self.error = error


@dataclass(frozen=True)
class Delivery:
    """One receive of a record.

    Parameters
    ----------
    record
    receives     how often it was received, this time included
    is_suspect   whether it, or a record beside it, was received before: one of them may have ended the process. What
                 its content can crash belongs into a child process then, so that no neighbour is run a third time
    is_last      whether its queue would move it to the dead-letter queue, without a word, instead of giving it out
                 once more
    """

    record: SQSRecord
    receives: int
    is_suspect: bool
    is_last: bool

    @contextmanager
    def giving_up_last(self, record_failure: Callable[[ProcessingGaveUp], None]) -> Iterator[None]:
        """Record what fails at the last receive, which is nobody's outcome yet; what fails before is raised as it is.

        Raises
        ------
        GivenUp   the failure is recorded; the message belongs into the dead-letter queue with it
        """
        try:
            yield
        except (StaysInQueue, GivenUp):
            raise
        except Exception as error:
            if not self.is_last or (isinstance(error, LambentError) and error.is_final):
                raise
            logger.exception("record given up", receive_count=self.receives)
            self.give_up(record_failure, _last_words(error))

    def give_up(self, record_failure: Callable[[ProcessingGaveUp], None], reason: str) -> None:
        """Record that nothing more is tried, and raise GivenUp."""
        error = ProcessingGaveUp(
            f"It was given out {self.receives} times, and no attempt came to an end: {reason} Its message is kept for "
            "the operator; the same request may succeed later.",
            limit=self.receives,
        )
        record_failure(error)
        raise GivenUp(error)


def _last_words(error: Exception) -> str:
    if isinstance(error, LambentError):
        return f"the last one met this: {error.detail}"
    return "the last one ended with an error of the service's own."
