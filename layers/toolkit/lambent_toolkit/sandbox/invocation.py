"""One invocation of a function and what may come of it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """How an invocation ended; the caller's answer differs for each."""

    RESPONSE = "response"
    ERROR = "error"
    EXIT = "exit"
    TIMEOUT = "timeout"
    INIT = "init"
    THROTTLED = "throttled"


@dataclass(frozen=True)
class InvocationResult:
    """Outcome and body: the handler's JSON, or AWS's error object {"errorType", "errorMessage", ...}."""

    outcome: Outcome
    body: bytes
    request_id: str = ""

    @property
    def is_response(self) -> bool:
        """The handler returned normally."""
        return self.outcome is Outcome.RESPONSE


@dataclass
class Invocation:
    """An event on its way to an execution environment."""

    event: bytes
    result: asyncio.Future[InvocationResult]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_s: float = 0.0

    @property
    def trace_id(self) -> str:
        """The part of the trace header that names this invocation, 24 hexadecimal digits."""
        return self.request_id.replace("-", "")[:24]

    def finish(self, outcome: Outcome, body: bytes) -> None:
        """Give the caller its answer, unless it went away."""
        if not self.result.done():
            self.result.set_result(InvocationResult(outcome, body, self.request_id))


def timeout_error(request_id: str, timeout_s: float) -> bytes:
    """Return AWS's error object for a function that ran into its timeout."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    return _error("Sandbox.Timedout", f"{stamp} {request_id} Task timed out after {timeout_s:.2f} seconds")


def exit_error(request_id: str, return_code: int) -> bytes:
    """Return AWS's error object for a process that ended in the middle of an invocation."""
    reason = f"signal: {-return_code}" if return_code < 0 else f"exit status {return_code}"
    return _error("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {reason}")


def throttle_error() -> bytes:
    """Return AWS's error object for an invocation above the function's or the account's concurrency."""
    return _error("TooManyRequestsException", "Rate Exceeded.")


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
