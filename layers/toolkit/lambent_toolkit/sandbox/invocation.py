"""One invocation of a function and what may come of it."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field
from enum import Enum

from lambent_toolkit.sandbox.lineage import NEW_EVENT, Lineage


class Outcome(Enum):
    """How an invocation ended; the caller's answer differs for each."""

    RESPONSE = "response"
    ERROR = "error"
    EXIT = "exit"
    TIMEOUT = "timeout"
    INIT = "init"
    THROTTLED = "throttled"
    RECURSIVE = "recursive"


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

    @property
    def error_message(self) -> str:
        """The message of AWS's error object; only for what is no response."""
        return str(json.loads(self.body)["errorMessage"])


@dataclass
class Invocation:
    """An event on its way to an execution environment."""

    event: bytes
    result: asyncio.Future[InvocationResult]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_s: float = 0.0
    lineage: Lineage = NEW_EVENT  # its own run included

    def trace_header(self, now_s: int) -> str:
        """Return what the function's own calls carry on."""
        digits = self.request_id.replace("-", "")
        return f"Root=1-{now_s:08x}-{digits[:24]};Parent={digits[-16:]};Sampled=0;{self.lineage}"

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


def recursion_error() -> bytes:
    """Return AWS's error object for an invocation that an endless loop may have caused."""
    message = (
        "Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped "
        "your function's invocation."
    )
    return _error("RecursiveInvocationException", message)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()
