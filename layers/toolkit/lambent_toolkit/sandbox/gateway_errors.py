"""API Gateway's own answers: default texts, or the template's gateway responses."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from lambent_toolkit.sandbox.http_messages import HttpRequest, HttpResponse

RESPONSES = "x-amazon-apigateway-gateway-responses"
# Response type -> status, message, x-amzn-ErrorType; what AWS answers when the template says nothing.
DEFAULTS: dict[str, tuple[int, str, str]] = {
    "DEFAULT_4XX": (400, "Bad Request", "BadRequestException"),
    "MISSING_AUTHENTICATION_TOKEN": (403, "Missing Authentication Token", "MissingAuthenticationTokenException"),
    "INVALID_API_KEY": (403, "Forbidden", "ForbiddenException"),
    "THROTTLED": (429, "Too Many Requests", "TooManyRequestsException"),
    "QUOTA_EXCEEDED": (429, "Limit Exceeded", "LimitExceededException"),
    "REQUEST_TOO_LARGE": (413, "Request Entity Too Large", "RequestTooLargeException"),
    "INTEGRATION_TIMEOUT": (504, "Endpoint request timed out", "InternalServerErrorException"),
    "INTEGRATION_FAILURE": (504, "Network error communicating with endpoint", "InternalServerErrorException"),
    "API_CONFIGURATION_ERROR": (500, "Internal server error", "InternalServerErrorException"),
    "BAD_INTEGRATION_RESPONSE": (502, "Internal server error", "InternalServerErrorException"),
}
# What AWS has no name for in a template.
UNNAMED = {"BAD_INTEGRATION_RESPONSE"}
VARIABLE = re.compile(r"\$context\.[A-Za-z0-9_.]+")


class GatewayErrors:
    """Makes error answers.

    Parameters
    ----------
    body : dict    OpenAPI body of the RestApi, which holds the template's GatewayResponses
    stage : str
    """

    def __init__(self, body: dict[str, Any], stage: str) -> None:
        self._responses: dict[str, dict[str, Any]] = body.get(RESPONSES, {})
        self._stage = stage

    def answer(self, kind: str, request: HttpRequest) -> HttpResponse:
        """Return the answer of one response type to one request."""
        status, message, error_type = DEFAULTS[kind]
        own = {} if kind in UNNAMED else self._responses.get(kind, {})
        family = self._responses.get("DEFAULT_4XX" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "DEFAULT_5XX", {})
        chosen = own or family
        # A family's status is that of all its errors that the template says nothing of (AWS: "Changing the status code
        # of this fallback gateway response changes the status codes of all other 5XX responses").
        status = int(chosen.get("statusCode", status))
        context = self._context(kind, message, request)
        template = chosen.get("responseTemplates", {}).get(
            "application/json", '{"message":$context.error.messageString}'
        )
        text = VARIABLE.sub(lambda found: context.get(found.group(), ""), template)
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error_type)]
        headers += self._parameters(chosen.get("responseParameters", {}), context)
        return HttpResponse(status, headers, text.encode())

    def outside(self) -> HttpResponse:
        """Return the answer to an address that no stage of the API has; no template has a say in it."""
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", "ForbiddenException")]
        return HttpResponse(403, headers, b'{"message":"Forbidden"}')

    def _context(self, kind: str, message: str, request: HttpRequest) -> dict[str, str]:
        return {
            "$context.requestId": request.request_id,
            "$context.extendedRequestId": request.request_id,
            "$context.error.message": message,
            "$context.error.messageString": json.dumps(message),
            "$context.error.responseType": "DEFAULT_5XX" if kind in UNNAMED else kind,
            "$context.stage": self._stage,
            "$context.httpMethod": request.method,
            "$context.path": f"/{self._stage}{request.raw_path}",
            "$context.identity.sourceIp": request.source_ip,
        }

    def _parameters(self, parameters: dict[str, str], context: dict[str, str]) -> list[tuple[str, str]]:
        prefix = "gatewayresponse.header."
        return [
            (key.removeprefix(prefix), value[1:-1] if value.startswith("'") else context.get(f"${value}", ""))
            for key, value in parameters.items()
            if key.startswith(prefix)
        ]
