"""The schedule's look into the dead-letter queues: no message there stays without a record of what became of it.

Messages stay where they are, for operators. SQS shows no queue as a whole: a receive takes a sample and hides it. So a
pass receives until a long poll, which asks all of SQS's servers, comes back empty, while everything that it has taken
stays hidden; then it gives all of it back. A pass that has to stop before leaves what it has taken hidden for `HOLD_S`,
longer than until the next pass, which so begins with what none has seen. What was recorded stands in a ledger by the
message's id: it is passed over, and a message that nobody has recorded is found by being in no row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lambent.domain.dead_letters import KEPT_S, DeadLetter, DeathRecord
from lambent.ports import Clock, DeadLetters, DeathLedger
from lambent.services.record_dead_letter import DeadLetterRecorder

HOLD_S = 900


@dataclass
class ReadReport:
    """What one pass over all queues did: messages seen, those recorded for the first time, and those that could not be.

    ``is_complete`` says whether every queue was seen to its end.
    """

    seen: int = 0
    recorded: int = 0
    unrecorded: int = 0
    is_complete: bool = True


@dataclass(frozen=True)
class Listeners:
    """Who is told of a pass: of each new record, and of each message that could not be recorded this time."""

    on_record: Callable[[DeathRecord], None]
    on_error: Callable[[DeadLetter, Exception], None]


@dataclass
class _Pass:
    """One queue's pass: what it has taken so far."""

    known: set[str]
    held: list[DeadLetter] = field(default_factory=list)


class DeadLetterReader:
    """Reads all dead-letter queues of a stack."""

    def __init__(
        self, *, queues: Sequence[DeadLetters], ledger: DeathLedger, recorder: DeadLetterRecorder, clock: Clock
    ) -> None:
        self._queues = queues
        self._ledger = ledger
        self._recorder = recorder
        self._clock = clock

    def read(self, *, told: Listeners, should_stop: Callable[[], bool]) -> ReadReport:
        """Record what is not recorded yet; a message that cannot be keeps no other from it.

        Raises
        ------
        Unavailable   a queue or the ledger did not answer; the next pass does what this one left
        """
        report = ReadReport()
        for queue in self._queues:
            if queue.depth().waiting:
                self._read(queue, report, told, should_stop)
        return report

    def _read(self, queue: DeadLetters, report: ReadReport, told: Listeners, should_stop: Callable[[], bool]) -> None:
        going = _Pass(known=self._ledger.known(queue.name))
        while True:
            if should_stop():
                report.is_complete = False
                return
            letters = queue.receive(hold_s=HOLD_S)
            if not letters:
                queue.release(going.held)
                return
            going.held += letters
            for letter in letters:
                report.seen += 1
                if letter.message_id not in going.known:
                    self._record(letter, report, told)
                    going.known.add(letter.message_id)

    def _record(self, letter: DeadLetter, report: ReadReport, told: Listeners) -> None:
        try:
            record = self._recorder.record(letter)
            is_new = self._ledger.add(record, expires_at_s=int(self._clock.epoch_s()) + KEPT_S)
        except Exception as error:  # noqa: BLE001 - told; a message that nobody can record keeps no other from it
            report.unrecorded += 1
            told.on_error(letter, error)
            return
        if is_new:
            report.recorded += 1
            told.on_record(record)
