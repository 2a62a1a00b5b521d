"""Message move tasks of the storage process, which moto lacks: a dead-letter queue's messages back to where they were.

Answers, errors and their words are AWS's, as recorded there by others: what a task may move and whereto, that one runs
at a time, that its handle is told while it runs. As on AWS a moved message is a new one: it has another id, and has not
been received. A message that is hidden when its turn comes stays.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

from moto.core.responses import ActionResult
from moto.core.utils import unix_time_millis
from moto.sqs import models as sqs
from moto.sqs.exceptions import InvalidParameterValue, SQSException
from moto.sqs.responses import SQSResponse

from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

_RUNNING, _COMPLETED, _CANCELLED, _FAILED = "RUNNING", "COMPLETED", "CANCELLED", "FAILED"
_MOST_A_SECOND, _MOST_RESULTS = 500, 10
_GONE = "AWS.SimpleQueueService.NonExistentQueue"
# Of a message that was sent to the dead-letter queue itself.
_NO_SOURCE = "CouldNotDetermineMessageSource"


class _ResourceNotFound(SQSException):
    def __init__(self, text: str) -> None:
        super().__init__("ResourceNotFoundException", text)


@dataclass
class MoveTask:
    """One task; ``destination`` is None where each message goes back to the queue that it came from."""

    source: str
    destination: str | None
    a_second: int | None
    to_move: int
    number: int
    id: str = field(default_factory=lambda: str(uuid4()))
    status: str = _RUNNING
    moved: int = 0
    failure: str | None = None
    started_ms: int = field(default_factory=lambda: int(unix_time_millis()))
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def handle(self) -> str:
        """What cancels it."""
        return b64encode(json.dumps({"taskId": self.id, "sourceArn": self.source}).encode()).decode()

    def told(self) -> dict[str, Any]:
        """Return what a list tells of it."""
        optional = {
            "TaskHandle": self.handle if self.status == _RUNNING else None,
            "DestinationArn": self.destination,
            "MaxNumberOfMessagesPerSecond": self.a_second,
            "FailureReason": self.failure,
        }
        return {
            "Status": self.status,
            "SourceArn": self.source,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started_ms,
            **{name: value for name, value in optional.items() if value is not None},
        }


def source_of_handle(handle: str) -> str:
    """Return the ARN of the queue of a task's handle; raises InvalidParameterValue."""
    return _read_handle(handle)["sourceArn"]


class MessageMover:
    """All tasks of a process, and the calls that start, list and cancel them."""

    def __init__(self) -> None:
        self._tasks: dict[str, MoveTask] = {}
        self._lock = threading.Lock()
        self._numbers = count()

    def start(self, source: str, destination: str | None, a_second: int | None) -> str:
        """Start a task and return its handle; raises SQSException as AWS refuses."""
        queue = _queue(source, parameter="SourceArn")
        if not _sources(queue):
            raise InvalidParameterValue("Source queue must be configured as a Dead Letter Queue.")
        if destination is not None:
            _queue(destination, parameter="DestinationArn")
        if a_second is not None and not 1 <= a_second <= _MOST_A_SECOND:
            raise InvalidParameterValue(
                f"Value for parameter MaxNumberOfMessagesPerSecond is not 1 to {_MOST_A_SECOND}."
            )
        with self._lock:
            if any(task.source == source and task.status == _RUNNING for task in self._tasks.values()):
                raise InvalidParameterValue(
                    "There is already a task running. Only one active task is allowed for a source queue arn at a "
                    "given time."
                )
            task = MoveTask(source, destination, a_second, len(queue.messages), next(self._numbers))
            self._tasks[task.id] = task
        threading.Thread(target=self._run, args=(task, queue), daemon=True).start()
        return task.handle

    def list(self, source: str, most: int) -> list[dict[str, Any]]:
        """Return what is told of a queue's latest tasks, the newest first."""
        _queue(source, parameter="SourceArn")
        mine = sorted((task for task in self._tasks.values() if task.source == source), key=lambda task: -task.number)
        return [task.told() for task in mine[:most]]

    def cancel(self, handle: str) -> int:
        """Stop a task that runs; return how many messages it has moved, which stay where they are."""
        told = _read_handle(handle)
        _queue(told["sourceArn"], parameter="SourceArn")
        task = self._tasks.get(told["taskId"])
        if task is None or task.status != _RUNNING:
            raise _ResourceNotFound("Task does not exist.")
        task.cancelled.set()
        return task.moved

    def _run(self, task: MoveTask, queue: sqs.Queue) -> None:
        status = _COMPLETED
        for message in list(queue.messages):
            if task.cancelled.is_set():
                status = _CANCELLED
                break
            if (failure := _move(message, queue, task.destination)) is not None:
                status, task.failure = _FAILED, failure
                break
            task.moved += 1
            if task.a_second is not None:
                task.cancelled.wait(1 / task.a_second)
        task.status = status


def _move(message: sqs.Message, queue: sqs.Queue, destination: str | None) -> str | None:
    """Send a message's content on as a new message and take it away; return why not, if it cannot be."""
    first = getattr(message, "first_queue", queue.name)
    if destination is None and first == queue.name:
        return _NO_SOURCE
    name = first if destination is None else destination.rpartition(":")[2]
    target = _backend().queues.get(name)
    if target is None:
        return _GONE
    new = sqs.Message(str(uuid4()), message.body, message.system_attributes)
    new.message_attributes, new.group_id = message.message_attributes, message.group_id
    new.mark_sent(delay_seconds=0)
    target.add_message(new)
    with queue._messages_lock:  # noqa: SLF001 - where moto's own deletions take it
        if message in queue._messages:  # noqa: SLF001
            queue._messages.remove(message)  # noqa: SLF001
    return None


def _read_handle(handle: str) -> dict[str, str]:
    try:
        told = json.loads(b64decode(handle, validate=True))
        return {"taskId": str(told["taskId"]), "sourceArn": str(told["sourceArn"])}
    except (NotBase64, ValueError, KeyError, TypeError) as exc:
        raise InvalidParameterValue("Value for parameter TaskHandle is invalid.") from exc


def _backend() -> sqs.SQSBackend:
    return sqs.sqs_backends[ACCOUNT_ID][REGION]


def _queue(arn: str, *, parameter: str) -> sqs.Queue:
    found = _backend().queues.get(arn.rpartition(":")[2])
    if found is None or found.queue_arn != arn:
        raise _ResourceNotFound(f"The resource that you specified for the {parameter} parameter doesn't exist.")
    return found


def _sources(queue: sqs.Queue) -> list[sqs.Queue]:
    return [each for each in _backend().queues.values() if each.dead_letter_queue is queue]


def remember_first_queues() -> None:
    """Let every message know the queue that it was sent to first, which its dead-letter queue sends it back to."""
    add = sqs.Queue.add_message

    def add_message(queue: sqs.Queue, message: sqs.Message) -> None:
        if not hasattr(message, "first_queue"):
            message.first_queue = queue.name  # type: ignore[attr-defined]
        add(queue, message)

    sqs.Queue.add_message = add_message  # type: ignore[method-assign]


def install_moves() -> None:
    """Teach moto's SQS the three calls."""
    remember_first_queues()
    mover = MessageMover()

    def start(response: SQSResponse) -> ActionResult:
        rate = response._get_param("MaxNumberOfMessagesPerSecond")  # noqa: SLF001 - as every call of moto's reads them
        source, destination = response._get_param("SourceArn"), response._get_param("DestinationArn")  # noqa: SLF001
        return ActionResult({"TaskHandle": mover.start(source, destination, None if rate is None else int(rate))})

    def show(response: SQSResponse) -> ActionResult:
        most = min(_MOST_RESULTS, int(response._get_param("MaxResults") or 1))  # noqa: SLF001
        return ActionResult({"Results": mover.list(response._get_param("SourceArn"), most)})  # noqa: SLF001

    def cancel(response: SQSResponse) -> ActionResult:
        moved = mover.cancel(response._get_param("TaskHandle"))  # noqa: SLF001
        return ActionResult({"ApproximateNumberOfMessagesMoved": moved})

    calls: dict[str, Callable[[SQSResponse], ActionResult]] = {
        "start_message_move_task": start,
        "list_message_move_tasks": show,
        "cancel_message_move_task": cancel,
    }
    for name, call in calls.items():
        call.__name__ = name
        setattr(SQSResponse, name, call)
