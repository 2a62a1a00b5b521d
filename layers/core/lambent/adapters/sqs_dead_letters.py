"""DeadLetters on Amazon SQS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambent.adapters.aws_errors import translate
from lambent.adapters.sqs import SqsQueue
from lambent.domain.dead_letters import DeadLetter
from lambent.domain.waiting import QueueDepth

_BATCH = 10
# A long poll asks all of SQS's servers: one that comes back empty has seen that the queue is.
_WAIT_S = 1
_WHAT = "dead-letter queue"


class SqsDeadLetters:
    """One dead-letter queue; ``name`` is that of the queue whose messages die there."""

    def __init__(self, client: Any, url: str, *, name: str) -> None:
        self._client = client
        self._url = url
        self.name = name

    def depth(self) -> QueueDepth:
        """Return about how many messages lie there, and how many somebody holds; raises Unavailable."""
        return SqsQueue(self._client, self._url).depth()

    def receive(self, *, hold_s: int) -> list[DeadLetter]:
        """Take some messages and hide them for so long; none if the queue has no other."""
        with translate(_WHAT):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=_WAIT_S,
                VisibilityTimeout=hold_s,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [self._letter(message) for message in answer.get("Messages", [])]

    def release(self, letters: Sequence[DeadLetter]) -> None:
        """Show messages again that this process hides; one whose time has run out is shown already."""
        for start in range(0, len(letters), _BATCH):
            entries = [
                {"Id": str(index), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for index, letter in enumerate(letters[start : start + _BATCH])
            ]
            with translate(_WHAT):
                self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _letter(self, message: dict[str, Any]) -> DeadLetter:
        attributes = message.get("Attributes", {})
        texts = {
            name: each["StringValue"]
            for name, each in message.get("MessageAttributes", {}).items()
            if each.get("DataType", "").partition(".")[0] == "String" and "StringValue" in each
        }
        return DeadLetter(
            queue=self.name,
            message_id=message["MessageId"],
            body=message["Body"],
            attributes=texts,
            receipt=message["ReceiptHandle"],
            sent_at_s=int(attributes.get("SentTimestamp", 0)) / 1000,
            receives=int(attributes.get("ApproximateReceiveCount", 1)),
            group=attributes.get("MessageGroupId"),
        )
