"""Sends a soak's requests through the three doors of a running stack, as several clients at once."""

from __future__ import annotations

import base64
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from botocore.config import Config
from traffic import ENVELOPE, ITEMS_OF_A_BATCH, MODEL, TENANT, Request, poison_picture

from lambent_toolkit.sandbox import StackInfo

_CLIENTS = 8
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 10}, read_timeout=120, max_pool_connections=_CLIENTS)
_TENANT = {"tenant": {"DataType": "String", "StringValue": TENANT}}
_ACCEPTED = 202
_PAUSE_S = 0.2
# Requests between two looks at the backlog.
_AT_ONCE = 20
_DEAD_LETTER, _NOTICES = "_dead_letter", "notify"


@dataclass
class Sent:
    """What was sent and acknowledged: the jobs of calls and batches by the requests' names."""

    jobs: dict[str, str] = field(default_factory=dict)


class Driver:
    """Clients of one stack.

    Parameters
    ----------
    pictures   PNG files of the held-out digits
    """

    def __init__(self, stack: StackInfo, pictures: list[bytes]) -> None:
        self._stack = stack
        self._pictures = pictures
        self.s3, self.sqs = stack.client("s3", config=_PATIENT), stack.client("sqs", config=_PATIENT)
        self.dynamodb = stack.client("dynamodb", config=_PATIENT)
        self.http = httpx.Client(base_url=stack.url, headers={"x-api-key": stack.api_key}, timeout=120)
        self.sent = Sent()

    def labels(self) -> list[str]:
        """Return what the model says of each picture, before anything is broken."""
        return [self._label(png) for png in self._pictures]

    def _label(self, png: bytes) -> str:
        answer = self.http.post(f"/models/{MODEL}/predict", content=png, headers={"Content-Type": "image/png"})
        answer.raise_for_status()
        return str(answer.json()["predictions"][0]["label"])

    def send_all(self, requests: list[Request], *, backlog: int) -> None:
        """Send the requests, from several threads; a second delivery follows the first at once.

        moto looks at all messages of a queue for each that it delivers: clients pause where more than ``backlog`` wait.
        """
        with ThreadPoolExecutor(_CLIENTS) as pool:
            for start in range(0, len(requests), _AT_ONCE):
                while self._waiting() > backlog:
                    time.sleep(_PAUSE_S)
                list(pool.map(self._send, requests[start : start + _AT_ONCE]))

    def _waiting(self) -> int:
        return sum(depth(self.sqs, url) for url in work_queues(self._stack))

    def _send(self, request: Request) -> None:
        body = self._pictures[request.picture] if request.poison is None else b""
        if request.poison not in (None, ENVELOPE):
            body = poison_picture(request.poison)
        doors = {"upload": self._upload, "call": self._call, "batch": self._batch, ENVELOPE: self._envelope}
        for _ in range(1 + request.is_twice):
            doors[request.door](request, body)

    def _upload(self, request: Request, body: bytes) -> None:
        self.s3.put_object(Bucket=self._stack.buckets["data"], Key=upload_key(request.name), Body=body)

    def _call(self, request: Request, body: bytes) -> None:
        """Ask until the call is accepted: with one idempotency key, however often, it is one call."""
        headers = {"Content-Type": "image/png", "Prefer": "respond-async", "Idempotency-Key": request.name}
        while True:
            try:
                answer = self.http.post(f"/models/{MODEL}/predict", content=body, headers=headers)
            except httpx.TransportError:
                continue
            if answer.status_code == _ACCEPTED:
                self.sent.jobs[request.name] = answer.headers["location"].rpartition("/")[2]
                return
            if answer.status_code < 429 and answer.status_code != 409:
                raise AssertionError(f"{request.name}: {answer.status_code} {answer.text[:300]}")
            time.sleep(_PAUSE_S)

    def _batch(self, request: Request, body: bytes) -> None:
        """Send a batch; a poisonous one has one such item between good ones."""
        pictures = [self._pictures[(request.picture + n) % len(self._pictures)] for n in range(ITEMS_OF_A_BATCH)]
        if request.poison is not None:
            pictures[ITEMS_OF_A_BATCH // 2] = body
        items = [{"id": f"i{n}", "image": {"b64": base64.b64encode(png).decode()}} for n, png in enumerate(pictures)]
        asked = {"schema_version": 1, "id": request.name, "model": MODEL, "lane": "cpu", "input": {"items": items}}
        self.sqs.send_message(
            QueueUrl=self._stack.queues["batch"], MessageBody=json.dumps(asked), MessageAttributes=_TENANT
        )
        self.sent.jobs[request.name] = request.name

    def _envelope(self, request: Request, _body: bytes) -> None:
        queue = ("upload", "infer", "batch")[request.picture % 3]
        self.sqs.send_message(QueueUrl=self._stack.queues[queue], MessageBody=f"poison {request.name}")


def upload_key(name: str) -> str:
    """Return where a request's upload goes."""
    return f"inbox/{TENANT}/{MODEL}/{name}.png"


def freeze_storage(stack: StackInfo, seconds: float) -> threading.Thread:
    """Let storage, queues and table stand still for some seconds, from now on, beside whatever goes on."""
    pid = _storage_pid(stack.pid)

    def freeze() -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=freeze)
    thread.start()
    return thread


def _storage_pid(supervisor: int) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == supervisor and b"storage_server" in command:
            return int(folder.name)
    raise AssertionError("the stack has no storage process")


def work_queues(stack: StackInfo) -> list[str]:
    """Return the queues in which requests wait: all but those of webhooks, which nobody asks for, and dead letters."""
    return [url for name, url in stack.queues.items() if not name.endswith(_DEAD_LETTER) and name != _NOTICES]


def dead_letter_queues(stack: StackInfo) -> dict[str, str]:
    """Return the queues of dead letters by their names."""
    return {name: url for name, url in stack.queues.items() if name.endswith(_DEAD_LETTER)}


def depth(client: Any, url: str) -> int:
    """Return how many messages a queue has, hidden ones included."""
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)
