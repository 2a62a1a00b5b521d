"""Internal extensions of an environment: an invocation ends once the runtime and all of them have asked for the next.

What is expected is what docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html says; no AWS was asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.sandbox.environment import EnvironmentHost, ExecutionEnvironment
from lambent_toolkit.sandbox.function_log import FunctionLog
from lambent_toolkit.sandbox.function_spec import FunctionSpec, RuntimePaths
from lambent_toolkit.sandbox.invocation import Invocation, Outcome
from lambent_toolkit.sandbox.runtime_api import EXTENSION_PREFIX, PREFIX, RuntimeConnection

NOWHERE = Path("/nowhere")
PATIENCE_S = 60.0


class Wire(asyncio.Transport):
    """One connection's other end: what was sent to it, as statuses, headers and bodies."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, dict[str, str], bytes]] = []

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Take that the connection is dropped."""

    def write(self, data: Any) -> None:
        head, _, body = bytes(data).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        self.answers.append((int(first.split()[1]), headers, body))


class Stage:
    """An environment whose process is only played, by its requests."""

    def __init__(self, folder: Path, *, timeout_s: int = 600) -> None:
        self.idle = 0
        self.log = FunctionLog(folder / "f.log")
        spec = FunctionSpec("F", "f", "app.handler", NOWHERE, (), timeout_s, 128, {})
        host = EnvironmentHost(RuntimePaths(NOWHERE, NOWHERE), "http://nowhere", 60.0)
        self.environment = ExecutionEnvironment(
            spec, host=host, log=self.log, on_idle=self._on_idle, on_gone=lambda *_: None
        )
        self.environment._started_s = 0.0
        self.runtime, self.extension = self.connect(), self.connect()

    def _on_idle(self, _: ExecutionEnvironment) -> None:
        self.idle += 1

    def connect(self) -> tuple[RuntimeConnection, Wire]:
        connection, wire = RuntimeConnection(self.environment), Wire()
        connection.connection_made(wire)
        return connection, wire

    def ask(self, end: tuple[RuntimeConnection, Wire], method: str, path: str, body: bytes = b"", **more: str) -> None:
        headers = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
        sent = f"Host: 127.0.0.1\r\nUser-Agent: aws-lambda-python/3\r\nContent-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\n{sent}{headers}\r\n"
        end[0].data_received(head.encode() + body)

    def register(self, name: str = "extension", events: tuple[str, ...] = ("INVOKE",)) -> tuple[int, dict, bytes]:
        body = json.dumps({"events": list(events)}).encode()
        self.ask(self.extension, "POST", f"{EXTENSION_PREFIX}register", body, Lambda_Extension_Name=name)
        return self.extension[1].answers[-1]

    def next_of_extension(self, extension_id: str) -> None:
        self.ask(self.extension, "GET", f"{EXTENSION_PREFIX}event/next", Lambda_Extension_Identifier=extension_id)

    def next_of_runtime(self) -> None:
        self.ask(self.runtime, "GET", f"{PREFIX}invocation/next")

    def invoke(self) -> Invocation:
        invocation = Invocation(b'{"an": "event"}', asyncio.get_running_loop().create_future())
        self.environment.invoke(invocation)
        return invocation

    def answer(self, invocation: Invocation) -> None:
        self.ask(self.runtime, "POST", f"{PREFIX}invocation/{invocation.request_id}/response", b'"answer"')

    def reports(self) -> int:
        return self.log.path.read_text().count("REPORT RequestId")


def play(scene: Callable[[Stage], None], folder: Path) -> None:
    async def run() -> None:
        stage = Stage(folder)
        scene(stage)
        stage.environment._cancel_timer()
        stage.log.close()

    asyncio.run(run())


def started(stage: Stage) -> str:
    """Start with one extension; return its id."""
    _, headers, _ = stage.register()
    extension_id = headers["lambda-extension-identifier"]
    stage.next_of_runtime()
    stage.next_of_extension(extension_id)
    return extension_id


def test_the_start_ends_once_the_runtime_and_the_extension_have_asked(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        _, headers, _ = stage.register()
        stage.next_of_runtime()
        before = stage.idle
        stage.next_of_extension(headers["lambda-extension-identifier"])

        assert (before, stage.idle) == (0, 1)

    play(scene, tmp_path)


def test_an_answer_goes_to_its_caller_at_once_and_the_environment_stays_at_work(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        extension_id = started(stage)
        invocation = stage.invoke()
        stage.answer(invocation)
        stage.next_of_runtime()
        at_work = (invocation.result.result().outcome, stage.idle, stage.reports())
        stage.next_of_extension(extension_id)

        assert at_work == (Outcome.RESPONSE, 1, 0)
        assert (stage.idle, stage.reports()) == (2, 1)

    play(scene, tmp_path)


def test_an_extension_that_is_done_first_holds_nothing_up(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        extension_id = started(stage)
        invocation = stage.invoke()
        stage.next_of_extension(extension_id)
        stage.answer(invocation)
        reported = stage.reports()
        stage.next_of_runtime()

        assert (reported, stage.idle) == (1, 2)

    play(scene, tmp_path)


def test_an_extension_is_told_of_the_invocation_without_its_content(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        started(stage)
        invocation = stage.invoke()

        status, headers, body = stage.extension[1].answers[-1]
        event = json.loads(body)
        assert (status, event["eventType"], event["requestId"]) == (200, "INVOKE", invocation.request_id)
        assert "lambda-extension-event-identifier" in headers
        assert {"deadlineMs", "invokedFunctionArn", "tracing"} <= event.keys()
        assert "an" not in event

    play(scene, tmp_path)


def test_the_functions_timeout_bounds_what_goes_on_after_the_answer(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        extension_id = started(stage)
        stage.answer(stage.invoke())
        running = stage.environment._timer
        stage.next_of_runtime()
        stage.next_of_extension(extension_id)

        assert running is not None
        assert running.cancelled()

    play(scene, tmp_path)


def test_an_extension_that_takes_no_events_is_not_waited_for(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        stage.register(events=())
        stage.next_of_runtime()
        stage.answer(stage.invoke())

        assert (stage.idle, stage.reports()) == (1, 1)

    play(scene, tmp_path)


@pytest.mark.parametrize(
    ("name", "events", "kind"),
    [
        ("", ("INVOKE",), "Extension.InvalidExtensionName"),
        ("x", ("INVOKE", "SHUTDOWN"), "Extension.InvalidEventType"),
        ("taken", ("INVOKE",), "Extension.InvalidExtensionState"),
    ],
)
def test_a_registration_that_lambda_would_refuse_is_refused(
    tmp_path: Path, name: str, events: tuple[str, ...], kind: str
) -> None:
    def scene(stage: Stage) -> None:
        stage.register("taken")

        status, _, body = stage.register(name, events)

        assert (status, json.loads(body)["errorType"]) == (403, kind)

    play(scene, tmp_path)


def test_there_are_at_most_ten_extensions_and_none_after_the_start(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        statuses = [stage.register(str(number), ())[0] for number in range(11)]
        too_many = json.loads(stage.extension[1].answers[-1][2])["errorType"]
        stage.next_of_runtime()
        _, _, late = stage.register("late")

        assert statuses == [200] * 10 + [403]
        assert too_many == "Extension.TooManyExtensions"
        assert json.loads(late)["errorType"] == "Extension.RegistrationClosed"

    play(scene, tmp_path)


def test_an_unknown_extension_gets_no_event(tmp_path: Path) -> None:
    def scene(stage: Stage) -> None:
        started(stage)

        stage.next_of_extension("somebody")

        status, _, body = stage.extension[1].answers[-1]
        assert (status, json.loads(body)["errorType"]) == (403, "Extension.UnknownExtensionIdentifier")
        assert stage.idle == 1

    play(scene, tmp_path)
