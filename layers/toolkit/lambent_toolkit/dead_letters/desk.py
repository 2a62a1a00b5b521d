"""What lies in the dead-letter queues of a stack, with what the sweep has recorded of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambent.adapters.dynamodb_deaths import DynamoDeathLedger
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.sqs_dead_letters import SqsDeadLetters
from lambent.domain.dead_letters import BATCH, INFER, JOB_EVENTS, NOTIFY, UPLOAD, Became, DeadLetter, DeathRecord
from lambent.domain.lost_work import Lost, LostCall, LostRequest, LostShard, read_lost
from lambent.errors import LambentError
from lambent_toolkit.dead_letters.errors import LetterUnknown, QueueUnknown
from lambent_toolkit.dead_letters.moving import Moved, Mover

if TYPE_CHECKING:
    from lambent_toolkit.stacks.stack import Stack

NAMES = (UPLOAD, INFER, BATCH, NOTIFY, JOB_EVENTS)
_ENDING = "_dead_letter"
# Longer than looking takes; whoever is killed meanwhile keeps them hidden for no longer.
_HOLD_S = 120
_NO_REASON = "gave_up"


@dataclass(frozen=True)
class Wanted:
    """Which messages are meant: all that fit everything that is said.

    Parameters
    ----------
    queue        as `NAMES` has it
    ids          ids, or beginnings of ids
    tenant
    reason       a code, ``gave_up`` for those that their queue gave up
    """

    queue: str | None = None
    ids: tuple[str, ...] = ()
    tenant: str | None = None
    reason: str | None = None

    @property
    def is_whole_queue(self) -> bool:
        """Whether a queue is meant with all that it holds."""
        return self.queue is not None and not self.ids and self.tenant is None and self.reason is None


@dataclass(frozen=True)
class Found:
    """A message with what it was about, and what was recorded of it."""

    letter: DeadLetter
    lost: tuple[Lost, ...]
    record: DeathRecord | None

    @property
    def tenant(self) -> str | None:
        """Whose it is, None if it names nobody."""
        return next((each.tenant for each in self.lost), self.letter.attributes.get("tenant"))

    @property
    def subject(self) -> str:
        """What it was about."""
        return ", ".join(each.subject for each in self.lost) or "nothing that can be read"

    @property
    def reason(self) -> str:
        """Return the code it was buried with, ``gave_up`` if its queue gave it up."""
        return self.letter.reason_code or _NO_REASON

    @property
    def is_over(self) -> bool:
        """Whether a redrive has nothing to do.

        The end of its job, or of its shard, is recorded and final. An event of AWS Batch came from no queue of ours:
        the sweep has applied it, or will.
        """
        if self.letter.queue == JOB_EVENTS:
            return True
        is_job = any(isinstance(each, LostCall | LostShard | LostRequest) for each in self.lost)
        return is_job and self.record is not None and self.record.became in (Became.FAILED, Became.SETTLED)

    def fits(self, wanted: Wanted) -> bool:
        """Return whether it is one of those that are meant."""
        return (
            (not wanted.ids or any(self.letter.message_id.startswith(each) for each in wanted.ids))
            and wanted.tenant in (None, self.tenant)
            and wanted.reason in (None, self.reason)
        )


@dataclass(frozen=True)
class QueueCount:
    """How many messages a dead-letter queue has, about, and how many of these somebody holds at this moment."""

    queue: str
    messages: int
    held: int


class DeadLetterDesk:
    """The dead-letter queues of one stack."""

    def __init__(self, stack: Stack, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._ledger = DynamoDeathLedger(DynamoTable(stack.client("dynamodb"), stack.table))
        self._mover = Mover(stack, sleep=sleep)

    def queues(self, name: str | None = None) -> list[str]:
        """Return the names of the stack's dead-letter queues, or the one that is named; raises QueueUnknown."""
        there = [each for each in NAMES if f"{each}{_ENDING}" in self._stack.queues]
        if name is None:
            return there
        if name not in there:
            raise QueueUnknown(f"There is no dead-letter queue {name}; there are {', '.join(there)}.")
        return [name]

    def counts(self) -> list[QueueCount]:
        """Return how full each queue is."""
        depths = {name: self._letters(name).depth() for name in self.queues()}
        return [QueueCount(name, each.waiting + each.in_flight, each.in_flight) for name, each in depths.items()]

    def list(self, wanted: Wanted = Wanted()) -> list[Found]:
        """Return the messages that are meant, the oldest first; they stay where they are."""
        with self._holding(wanted) as found:
            return found

    def show(self, message_id: str) -> Found:
        """Return one message, by its id or the beginning of it; raises LetterUnknown."""
        found = self.list(Wanted(ids=(message_id,)))
        if len(found) != 1:
            why = "None" if not found else f"{len(found)} of them have an id that begins with it; say more of it. None"
            raise LetterUnknown(
                f"{why} of the dead letters is {message_id}: see `lambent dlq list`; one that somebody holds at this "
                "moment is seen again within minutes."
            )
        return found[0]

    def redrive(self, wanted: Wanted, *, a_second: int | None = None) -> Moved:
        """Send messages back to where they died; of a whole queue by a task of SQS's own.

        Messages that are over stay, unless a whole queue is sent, where they go along and do nothing.

        Parameters
        ----------
        a_second   most messages a second of a task; SQS chooses where it is None

        Raises
        ------
        QueueUnknown, LetterUnknown, MoveFailed
        """
        if wanted.is_whole_queue and wanted.queue != JOB_EVENTS:
            return self._mover.move_all(str(wanted.queue), a_second=a_second)
        with self._holding(wanted) as found:
            self._check(wanted, found)
            over = [each for each in found if each.is_over]
            moved = self._mover.move([each.letter for each in found if not each.is_over])
        return Moved(moved, [each.letter.message_id for each in over])

    def drop(self, wanted: Wanted) -> int:
        """Delete messages for good; return how many. What was recorded of them stays."""
        with self._holding(wanted) as found:
            self._check(wanted, found)
            self._mover.delete([each.letter for each in found])
            return len(found)

    @contextmanager
    def _holding(self, wanted: Wanted) -> Iterator[list[Found]]:
        """Lend the messages that are meant; those that are still there afterwards are seen by everybody again."""
        held: dict[str, list[DeadLetter]] = {}
        try:
            found: list[Found] = []
            for name in self.queues(wanted.queue):
                records = {each.message_id: each for each in self._ledger.records(name)}
                held[name] = []
                for letter in self._all(name):
                    held[name].append(letter)
                    found.append(Found(letter, self._lost(letter), records.get(letter.message_id)))
            yield sorted((each for each in found if each.fits(wanted)), key=lambda each: each.letter.sent_at_s)
        finally:
            for name, letters in held.items():
                self._letters(name).release([each for each in letters if not self._mover.is_gone(each)])

    def _all(self, name: str) -> Iterator[DeadLetter]:
        box = self._letters(name)
        if not box.depth().waiting:
            return
        seen: set[str] = set()
        while letters := box.receive(hold_s=_HOLD_S):
            yield from (each for each in letters if each.message_id not in seen)
            seen |= {each.message_id for each in letters}

    def _lost(self, letter: DeadLetter) -> tuple[Lost, ...]:
        try:
            return read_lost(letter.queue, letter.body, letter.attributes, bucket=self._stack.buckets["data"])
        except LambentError:
            return ()

    def _letters(self, name: str) -> SqsDeadLetters:
        return SqsDeadLetters(self._sqs, self._stack.queues[f"{name}{_ENDING}"], name=name)

    @staticmethod
    def _check(wanted: Wanted, found: list[Found]) -> None:
        for each in wanted.ids:
            if not any(one.letter.message_id.startswith(each) for one in found):
                raise LetterUnknown(f"None of the dead letters is {each}: see `lambent dlq list`.")


def as_json(found: Found) -> dict[str, Any]:
    """Return what is told of a message, as JSON values."""
    letter, record = found.letter, found.record
    return {
        "id": letter.message_id,
        "queue": letter.queue,
        "tenant": found.tenant,
        "subject": found.subject,
        "reason_code": letter.reason_code,
        "reason": letter.attributes.get("reason"),
        "sent_at_s": letter.sent_at_s,
        "receives": letter.receives,
        "attributes": dict(letter.attributes),
        "group": letter.group,
        "body": letter.body,
        "recorded": None
        if record is None
        else {"became": record.became.value, "code": record.code, "detail": record.detail, "at": record.at},
    }
