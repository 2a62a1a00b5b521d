"""Faults inside a function's own process: it is put beside the function's code, never into it.

Which request meets which fault is decided by the seed and the request's own name, so a seed always breaks the same
ones, whoever works on them. Each fault happens once: its mark in the state folder, made by one process only, says so.
Nothing happens before the folder has the file ``armed``.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

CRASH_POINTS = (
    "before_claim",
    "after_claim",
    "mid_compute",
    "after_result_put",
    "after_status_write",
    "before_return",
    "mid_batch",
)
API_FAULTS = ("throttle", "timeout", "timeout_after", "api_5xx", "api_5xx_after")
# What a picture of one grey does to the process that infers it.
POISON = {210: "exception", 214: "segv", 218: "fpe", 222: "kill", 226: "hang", 230: "exit0"}
_SCALE = 255
_NAME = re.compile(r"s\d+-\d{6}")
_JOB = re.compile(r'"job_id":\s*"([^"]+)"|JOB#[a-z0-9_-]+#([a-z0-9_-]+)|jobs/[a-z0-9_-]+/([a-z0-9_-]+)/')
_MOST_LOOKED_AT = 4000
_WRITES = ("PutItem", "UpdateItem", "TransactWriteItems", "SendMessage", "SendMessageBatch")
_NAMED_IN = ("Key", "Item", "MessageBody", "Entries", "TransactItems")
_CALLS_OF_A_FAULT = 3
_MUTEX_BYTES = 64
_FRONT = ("preprocess", "predict", "dispatch", "jobs")


class Chaos:
    """The faults of one process.

    Parameters
    ----------
    settings   state (a folder), function (its short name)
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._state, self._function = Path(settings["state"]), settings["function"]
        faults = json.loads((self._state / "faults.json").read_text())
        self._seed, self._rates = faults["seed"], faults["rates"]
        self._calls: dict[str, int] = {}
        self._pid = os.getpid()
        self._now = ""
        self._batch: list[str] = []
        self._is_loading = False

    def wrap(self, handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return the handler with what may happen before and after it."""

        def handle(event: Any, context: Any) -> Any:
            self._batch = list(names(json.dumps(event)[: 100 * _MOST_LOOKED_AT]))
            self._calls.clear()
            for name in self._batch:
                self._die("before_claim", name)
            answer = handler(event, context)
            for name in self._batch:
                self._die("before_return", name)
            return answer

        return handle

    def patch_clients(self) -> None:
        """Let calls of AWS fail, and processes die after them."""
        shipped = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            name = _name_in(parameters) or self._now
            self._now = name
            fault = self._fault_of(name)
            if fault is not None and not fault.endswith("_after"):
                raise _error(fault, operation)
            answer = shipped(client, operation, parameters)
            if fault is not None:
                raise _error(fault, operation)
            self._die("after_claim", name)
            if self._batch and name in self._batch[1:]:
                self._die("mid_batch", name)
            if operation == "PutObject" and re.match(r"results/|jobs/.*(outcome|part-)", str(parameters.get("Key"))):
                self._die("after_result_put", name)
            if operation in _WRITES:
                self._die("after_status_write", name)
            return answer

        BaseClient._make_api_call = call  # type: ignore[attr-defined]

    def patch_interpreter(self) -> None:
        """Let poison work on the process that infers it, and note what is executed."""
        from lambent.adapters.litert import LiteInterpreter
        from lambent.services.load_model import ModelCache

        shipped, load = LiteInterpreter.run, ModelCache._load

        def load_and_verify(cache: Any, ref: Any) -> Any:
            self._is_loading = True
            try:
                return load(cache, ref)
            finally:
                self._is_loading = False

        def run(interpreter: Any, inputs: Any) -> Any:
            # A version's golden vectors are no request's, whichever one it is loaded for.
            if self._is_armed and not self._is_loading:
                self._note_execution()
                self._die("mid_compute", self._now)
            for rows in inputs.values():
                for row in rows:
                    _harm(row)
            return shipped(interpreter, inputs)

        LiteInterpreter.run = run  # type: ignore[method-assign]
        ModelCache._load = load_and_verify  # type: ignore[method-assign]

    @property
    def _is_armed(self) -> bool:
        return (self._state / "armed").exists()

    def _note_execution(self) -> None:
        with (self._state / "executions.log").open("ab", buffering=0) as log:
            log.write(f"{self._now}\n".encode())

    def _die(self, point: str, name: str) -> None:
        if name and self._is_chosen(f"kill/{point}", name, self._rates["kill"] / len(CRASH_POINTS)):
            # The function's process, also where a child of it computes: that one's death alone is a poison's work.
            for process in (self._pid, os.getpid()):
                os.kill(process, signal.SIGKILL)

    def _fault_of(self, name: str) -> str | None:
        """Return what this call of AWS meets: a fault comes at one of the first calls for its request."""
        if not name:
            return None
        self._calls[name] = self._calls.get(name, 0) + 1
        for fault in API_FAULTS:
            if self._calls[name] == 1 + self._number(f"nth/{fault}", name) % _CALLS_OF_A_FAULT and self._is_chosen(
                fault, name, self._rates[fault]
            ):
                return fault
        return None

    def _is_chosen(self, fault: str, name: str, rate: float) -> bool:
        if self._number(fault, name) >= rate * (1 << 64) or not self._is_here(fault, name):
            return False
        return self._is_armed and self._is_first(fault, name)

    def _is_here(self, fault: str, name: str) -> bool:
        """Return whether a request meets its fault in this function: half of them where it comes in, half behind."""
        is_front = self._number(f"where/{fault}", name) % 2 == 0 and fault != "kill/mid_compute"
        return is_front == (self._function in _FRONT)

    def _number(self, fault: str, name: str) -> int:
        return int.from_bytes(sha256(f"{self._seed}/{fault}/{name}".encode()).digest()[:8], "big")

    def _is_first(self, fault: str, name: str) -> bool:
        mark = self._state / "fired" / f"{fault.replace('/', '.')}@{self._function}@{name}"
        # One function a fault: who is first at it has it.
        if any(mark.parent.glob(f"{fault.replace('/', '.')}@*@{name}")):
            return False
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def names(text: str) -> Iterator[str]:
    """Return the requests that an event is about, each once, in its order."""
    found = dict.fromkeys(_NAME.findall(text))
    yield from found
    if not found:
        yield from dict.fromkeys("".join(match) for match in _JOB.findall(text.replace('\\"', '"')))


def _name_in(parameters: dict[str, Any]) -> str | None:
    texts = [str(parameters[key])[:_MOST_LOOKED_AT] for key in _NAMED_IN if key in parameters]
    return next(names(" ".join(texts)), None)


def _error(fault: str, operation: str) -> Exception:
    if fault.startswith("timeout"):
        return ReadTimeoutError(endpoint_url="chaos")
    code, status = ("ThrottlingException", 400) if fault == "throttle" else ("InternalError", 500)
    told = {"Error": {"Code": code, "Message": "a fault"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, operation)


def _harm(row: Any) -> None:
    if row.min() != row.max():
        return
    kind = POISON.get(round(float(row.max()) * _SCALE))
    if kind is None:
        return
    if kind == "exception":
        raise ZeroDivisionError("poison")
    if kind == "hang":
        _hang()
    if kind == "exit0":
        os._exit(0)
    os.kill(os.getpid(), {"segv": signal.SIGSEGV, "fpe": signal.SIGFPE, "kill": signal.SIGKILL}[kind])


def _hang() -> None:
    """Wait for ever with Python's lock held and no signal heeded, as a loop in native code does."""
    c, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(_MUTEX_BYTES)
    while True:
        c.pthread_mutex_lock(mutex)


def start(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Read what is to happen from beside this module, and return the handler that it happens to."""
    chaos = Chaos(json.loads(Path(__file__).with_name("chaos.json").read_text()))
    chaos.patch_clients()
    if os.environ["AWS_LAMBDA_FUNCTION_NAME"].find("InferFunction") >= 0:
        chaos.patch_interpreter()
    return chaos.wrap(handler)
