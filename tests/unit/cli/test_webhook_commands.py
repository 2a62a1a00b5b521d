"""`lambent webhooks secret` shows a secret so that it can be copied, and says what is wrong in one line."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from lambent_toolkit import webhooks as library
from lambent_toolkit.cli.main import app
from lambent_toolkit.sandbox.stack_info import StackInfo

SECRET = "whsec_" + "a" * 43 + "="
FIRST = {"secret": SECRET, "created_at": "2026-11-27T04:00:00.000Z", "previous_valid_until": None}
UNTIL = "2026-11-28T04:00:00.000Z"
REFUSED = {"code": "forbidden_action", "detail": "This API key lacks the scope 'jobs'."}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Let a stack answer by the verb; return what it was asked."""
    requests: list[httpx.Request] = []

    def answer(method: str, url: str, **more: object) -> httpx.Response:
        requests.append(httpx.Request(method, url, headers=more["headers"]))
        body = FIRST if method == "GET" else {**FIRST, "previous_valid_until": UNTIL}
        return httpx.Response(200, json=body)

    info = StackInfo("name", "http://door/dev", "key", "id", "e", "r", {}, {}, "t", "a", {}, "l", 1.0, 1, {})
    monkeypatch.delenv("LAMBENT_URL", raising=False)
    monkeypatch.setattr(StackInfo, "load", lambda _: info)
    monkeypatch.setattr(library.httpx, "request", answer)
    return requests


@pytest.mark.parametrize(("arguments", "method"), [([], "GET"), (["--rotate"], "POST")])
def test_the_secret_stands_on_a_line_of_its_own(
    asked: list[httpx.Request], arguments: list[str], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    result = CliRunner().invoke(app, ["webhooks", "secret", *arguments])

    (request,) = asked
    lines = result.stdout.splitlines()
    assert (result.exit_code, lines[0]) == (0, SECRET)
    assert (request.method, str(request.url)) == (method, "http://door/dev/webhooks/secret")
    assert request.headers["x-api-key"] == "key"
    assert (UNTIL in " ".join(lines).replace("\n", " ")) is bool(arguments)


@pytest.mark.parametrize(
    ("answer", "exit_code", "said"),
    [
        (httpx.Response(403, json=REFUSED), 20, "lacks the scope 'jobs'. (forbidden_action)"),
        (httpx.ConnectError("refused"), 20, "(unavailable)"),
    ],
)
def test_what_the_door_says_is_told_in_one_line(
    asked: list[httpx.Request],
    monkeypatch: pytest.MonkeyPatch,
    answer: httpx.Response | Exception,
    exit_code: int,
    said: str,
) -> None:
    def request(*_: object, **__: object) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(library.httpx, "request", request)

    result = CliRunner().invoke(app, ["webhooks", "secret"])

    assert result.exit_code == exit_code
    assert said in result.stderr


def test_without_a_stack_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["webhooks", "secret", "--state", str(tmp_path / "nowhere")])

    assert (result.exit_code, "no local stack" in result.stderr) == (8, True)
