"""Internal extensions of one execution environment: who still works in the present phase.

"The Invoke phase ends after the runtime and all extensions signal that they are done by sending a Next API request"
(docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html). The function's answer does not wait for that: it
goes to the caller when the runtime gives it. Codes of errors are those of aws-lambda-runtime-interface-emulator.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from lambent_toolkit.sandbox.invocation import Invocation
from lambent_toolkit.sandbox.runtime_api import ExtensionRefused, RuntimeConnection

MOST_EXTENSIONS = 10
INVOKE = "INVOKE"


class Extensions:
    """Registers extensions, keeps their requests for the next event, and sends it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._waiting: dict[str, RuntimeConnection | None] = {}
        self._is_open = True

    def register(self, name: str, events: list[str]) -> str:
        """Take a new extension and return its id; raises ExtensionRefused."""
        if not name:
            raise ExtensionRefused("Extension.InvalidExtensionName", "Empty extension name")
        if foreign := [each for each in events if each != INVOKE]:
            raise ExtensionRefused("Extension.InvalidEventType", f"{foreign[0]}: not for internal extensions")
        if not self._is_open:
            raise ExtensionRefused("Extension.RegistrationClosed", "Extension registration closed already")
        if name in self._names.values():
            raise ExtensionRefused("Extension.InvalidExtensionState", "Extension with this name already registered")
        if len(self._names) >= MOST_EXTENSIONS:
            raise ExtensionRefused("Extension.TooManyExtensions", f"Extension limit ({MOST_EXTENSIONS}) reached")
        extension_id = str(uuid.uuid4())
        self._names[extension_id] = name
        if events:
            # One that takes no event is never asked for, and ends no phase.
            self._waiting[extension_id] = None
        return extension_id

    def close(self) -> None:
        """Take no more of them: the runtime has asked for its first event."""
        self._is_open = False

    def wait(self, connection: RuntimeConnection, extension_id: str) -> None:
        """Keep a request for the next event; raises ExtensionRefused."""
        if extension_id not in self._names:
            raise ExtensionRefused("Extension.UnknownExtensionIdentifier", f"Unknown extension {extension_id}")
        if extension_id in self._waiting:
            self._waiting[extension_id] = connection

    @property
    def are_waiting(self) -> bool:
        """Whether none of them is at work."""
        return all(self._waiting.values())

    def send(self, invocation: Invocation, *, arn: str, deadline_ms: int) -> None:
        """Tell all of them that an invocation begins; only once they wait."""
        if not self._waiting:
            return
        event = json.dumps(_event(invocation, arn, deadline_ms)).encode()
        for extension_id, connection in self._waiting.items():
            self._waiting[extension_id] = None
            if connection is not None:
                connection.send_event({"Lambda-Extension-Event-Identifier": str(uuid.uuid4())}, event)


def _event(invocation: Invocation, arn: str, deadline_ms: int) -> dict[str, Any]:
    return {
        "eventType": INVOKE,
        "deadlineMs": deadline_ms,
        "requestId": invocation.request_id,
        "invokedFunctionArn": arn,
        "tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_header(deadline_ms // 1000)},
    }
