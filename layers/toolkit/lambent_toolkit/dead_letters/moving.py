"""Messages out of a dead-letter queue: back to the queue where they died, or away for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambent.domain.dead_letters import REASON, REASON_CODE, DeadLetter
from lambent_toolkit.dead_letters.errors import MoveFailed

if TYPE_CHECKING:
    from lambent_toolkit.stacks.stack import Stack

_FOLLOW_S = 1.0
_ENDED = ("COMPLETED", "CANCELLED", "FAILED")


@dataclass(frozen=True)
class Moved:
    """What a redrive did: how many messages it sent back, and the ids of those that it left, since they are over."""

    count: int
    over: list[str]


class Mover:
    """Moves messages of one stack's dead-letter queues.

    A single message is sent first and deleted then: whoever is killed in between leaves it twice, which is one outcome,
    and never loses it.
    """

    def __init__(self, stack: Stack, *, sleep: Callable[[float], None]) -> None:
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._sleep = sleep
        self._gone: set[tuple[str, str]] = set()

    def is_gone(self, letter: DeadLetter) -> bool:
        """Return whether this has taken a message away."""
        return (letter.queue, letter.message_id) in self._gone

    def move(self, letters: Sequence[DeadLetter]) -> int:
        """Send messages to the queues where they died, without the reasons of their deaths; return how many."""
        for letter in letters:
            self._send(letter)
            self.delete([letter])
        return len(letters)

    def delete(self, letters: Sequence[DeadLetter]) -> None:
        """Delete messages."""
        for letter in letters:
            self._sqs.delete_message(QueueUrl=self._url(letter.queue), ReceiptHandle=letter.receipt)
            self._gone.add((letter.queue, letter.message_id))

    def move_all(self, queue: str, *, a_second: int | None) -> Moved:
        """Move all that a dead-letter queue holds by a task of SQS's own, and wait for its end.

        The destination is named: SQS knows that of messages which it has moved itself, and functions bury some.

        Raises
        ------
        MoveFailed   the task failed, or was cancelled; what it has moved stays moved
        """
        source, destination = self._arn(self._url(queue)), self._arn(self._stack.queues[queue])
        rate = {} if a_second is None else {"MaxNumberOfMessagesPerSecond": a_second}
        self._sqs.start_message_move_task(SourceArn=source, DestinationArn=destination, **rate)
        while True:
            task: dict[str, Any] = self._sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"][0]
            if task["Status"] in _ENDED:
                break
            self._sleep(_FOLLOW_S)
        moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
        if task["Status"] != "COMPLETED":
            why = task.get("FailureReason", "somebody has cancelled it")
            raise MoveFailed(
                f"The task ended as {task['Status']} after {moved} messages: {why}. Redrive the rest again."
            )
        return Moved(moved, [])

    def _send(self, letter: DeadLetter) -> None:
        attributes = {
            name: {"DataType": "String", "StringValue": text}
            for name, text in letter.attributes.items()
            if name not in (REASON, REASON_CODE)
        }
        group = {} if letter.group is None else {"MessageGroupId": letter.group}
        self._sqs.send_message(
            QueueUrl=self._stack.queues[letter.queue], MessageBody=letter.body, MessageAttributes=attributes, **group
        )

    def _url(self, queue: str) -> str:
        return self._stack.queues[f"{queue}_dead_letter"]

    def _arn(self, url: str) -> str:
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])
