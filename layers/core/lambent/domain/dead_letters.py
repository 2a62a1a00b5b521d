"""Messages that no function brought to an end, and what is recorded of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lambent.errors import LambentError, ProcessingGaveUp, restore_error

# What `runtime.records.bury` adds to a message; SQS's own redrive adds nothing.
REASON_CODE, REASON = "reason_code", "reason"
# The queues by their names without "DeadLetterQueue", as stacks name them.
UPLOAD, INFER, BATCH, NOTIFY, JOB_EVENTS = "upload", "infer", "batch", "notify", "job_events"
# 14 days in a dead-letter queue, and what clocks and the table's own clearing up take.
KEPT_S = 15 * 86_400


@dataclass(frozen=True)
class DeadLetter:
    """One message of a dead-letter queue.

    Parameters
    ----------
    queue        whose it is: ``upload``, ``infer``, ``batch``, ``notify`` or ``job_events``
    attributes   those that hold a text
    receipt      by which it is held for the moment
    sent_at_s    when it came to its first queue, or was put here by a function, in seconds since 1970
    receives     how often it was handed out, by both queues together
    group        its message group, None without one
    """

    queue: str
    message_id: str
    body: str
    attributes: Mapping[str, str]
    receipt: str
    sent_at_s: float
    receives: int
    group: str | None = None

    @property
    def reason_code(self) -> str | None:
        """The code that a function buried it with, None if its queue gave it up."""
        return self.attributes.get(REASON_CODE)

    @property
    def error(self) -> LambentError:
        """What its owner is told."""
        reason = self.attributes.get(REASON, "")
        if self.reason_code is not None:
            known = restore_error({"code": self.reason_code, "detail": reason})
            return known if known.code == self.reason_code else ProcessingGaveUp(reason)
        return ProcessingGaveUp(
            "This was tried as often as its queue allows, and every attempt broke off before it had an outcome: the "
            "input or the model may end the process that works on it, or a dependency was away all the time. Send it "
            "again; if it fails again, ask the operator, who has its message."
        )


class Became(StrEnum):
    """What the reader made of a dead letter."""

    FAILED = "failed"  # its owner finds a failure with the reason now
    SETTLED = "settled"  # its owner has an outcome, which stays
    GOES_ON = "goes_on"  # its job is open and ends by other messages, or by the sweep
    NOBODYS = "nobodys"  # nobody waits for it


@dataclass(frozen=True)
class DeathRecord:
    """That a dead letter was looked at, once, and what came of it.

    ``tenant`` and ``subject`` are None where a message names none.
    """

    queue: str
    message_id: str
    became: Became
    code: str
    detail: str
    tenant: str | None
    subject: str | None
    at: str
