"""Queue on Amazon SQS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lambent.adapters.aws_errors import translate
from lambent.domain.waiting import QueueDepth
from lambent.errors import Unavailable

_BATCH = 10  # SQS takes at most ten messages a call
_MOST_BATCH_BYTES = 768 << 10  # of the 1 MiB that a call may hold; the rest is left to attributes


class SqsQueue:
    """One SQS queue."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(
        self, body: bytes, *, group: str | None = None, attributes: Mapping[str, str] | None = None, delay_s: int = 0
    ) -> None:
        """Enqueue a message, to be delivered after ``delay_s`` at the earliest; raises Unavailable."""
        delay = {"DelaySeconds": delay_s} if delay_s else {}
        with translate("queue"):
            self._client.send_message(QueueUrl=self._url, **_message(body, group, attributes), **delay)

    def depth(self) -> QueueDepth:
        """Return about how many messages wait and are worked on; raises Unavailable."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with translate("queue"):
            counts = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        waiting, in_flight = (int(counts[name]) for name in names)
        return QueueDepth(waiting, in_flight)

    def send_all(
        self, bodies: Iterable[bytes], *, group: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Enqueue many; raises Unavailable if any was not taken."""
        for chunk in _chunks(bodies):
            entries = [{"Id": str(index), **_message(body, group, attributes)} for index, body in enumerate(chunk)]
            with translate("queue"):
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            # The call answers 200 even when messages were refused.
            if answer.get("Failed"):
                raise Unavailable(f"The queue refused {len(answer['Failed'])} of {len(chunk)} messages; try again.")

    def hold(self, receipt: str, *, pause_s: int) -> None:
        """Hide the message of this receipt for so long from now, at most 12 hours; raises Unavailable."""
        with translate("queue"):
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=pause_s)


def _message(body: bytes, group: str | None, attributes: Mapping[str, str] | None) -> dict[str, Any]:
    wire = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
    fair = {} if group is None else {"MessageGroupId": group}
    return {"MessageBody": body.decode(), "MessageAttributes": wire, **fair}


def _chunks(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cut into what one call takes; a message that is larger by itself is left to SQS to judge."""
    chunk: list[bytes] = []
    size_bytes = 0
    for body in bodies:
        if chunk and (len(chunk) == _BATCH or size_bytes + len(body) > _MOST_BATCH_BYTES):
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(body)
        size_bytes += len(body)
    if chunk:
        yield chunk
