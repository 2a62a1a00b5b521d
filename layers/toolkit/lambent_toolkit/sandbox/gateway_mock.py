"""Mock integrations: answers that API Gateway gives without asking anybody, such as those to preflights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.http_messages import BinaryTypes, HttpRequest, HttpResponse

JSON = "application/json"
HEADER = "method.response.header."
AS_TEXT = "CONVERT_TO_TEXT"


@dataclass(frozen=True)
class MockAnswer:
    """One answer to all requests of a method.

    Parameters
    ----------
    response : HttpResponse
    is_text : bool    bodies are made text before a template sees them
    """

    response: HttpResponse
    is_text: bool

    def answer(self, request: HttpRequest, binary: BinaryTypes) -> HttpResponse | None:
        """Return the answer; None if the body counts as binary, which no template takes: AWS breaks down on it."""
        if not self.is_text and binary.match(request.header("content-type")):
            return None
        return self.response


def read_mock(integration: dict[str, Any], where: str) -> MockAnswer:
    """Read a mock integration of an OpenAPI body.

    Raises
    ------
    BrokenTemplate   it has what does not run here: several answers, or templates and headers that compute something
    """
    responses = integration.get("responses", {})
    template = str(integration.get("requestTemplates", {}).get(JSON, ""))
    if list(responses) != ["default"] or "$" in template or "#" in template:
        raise BrokenTemplate(f"{where}: only mock integrations with one fixed answer run locally")
    (response,) = responses.values()
    body = str(response.get("responseTemplates", {}).get(JSON, ""))
    parameters = response.get("responseParameters", {})
    if "$" in body or "#" in body or not all(_is_fixed(name, value) for name, value in parameters.items()):
        raise BrokenTemplate(f"{where}: only fixed headers and bodies of mock integrations run locally")
    headers = [
        ("Content-Type", JSON),
        *((name.removeprefix(HEADER), value[1:-1]) for name, value in parameters.items()),
    ]
    status = int(response["statusCode"])
    if json.loads(template or "{}").get("statusCode") != status:
        raise BrokenTemplate(f"{where}: a mock integration whose template has no statusCode is answered with 500")
    return MockAnswer(
        HttpResponse(status, headers, body.encode()), is_text=integration.get("contentHandling") == AS_TEXT
    )


def _is_fixed(name: str, value: Any) -> bool:
    return name.startswith(HEADER) and isinstance(value, str) and value[:1] == value[-1:] == "'"
