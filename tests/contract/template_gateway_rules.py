"""Rules of the HTTP door."""

from __future__ import annotations

import json
from typing import Any

from template_expanded import ExpandedTemplate
from template_references import Findings

from lambent.runtime.http_errors import CHALLENGE

ERROR_FIELDS = {
    "type",
    "title",
    "status",
    "code",
    "detail",
    "error",
    "field",
    "limit",
    "got",
    "request_id",
    "retryable",
}
# A request that is too large is shown the upload door.
MORE_FIELDS = {"REQUEST_TOO_LARGE": {"upload"}}
# Who reads how to call the API has no key yet.
OPEN_PATHS = {"/openapi.json", "/docs"}
NEEDED_GATEWAY_ERRORS = {
    "INVALID_API_KEY": (401, "auth_invalid"),
    "MISSING_AUTHENTICATION_TOKEN": (404, "route_not_found"),
    "REQUEST_TOO_LARGE": (413, "payload_too_large"),
    "THROTTLED": (429, "rate_limited"),
    "QUOTA_EXCEEDED": (429, "rate_limited"),
    "INTEGRATION_FAILURE": (502, "unavailable"),
    "INTEGRATION_TIMEOUT": (504, "unavailable"),
    "DEFAULT_4XX": (400, "request_malformed"),
    "DEFAULT_5XX": (503, "unavailable"),
}


def binary_bodies_pass(template: ExpandedTemplate) -> Findings:
    for name, api in template.of_type("ApiGateway::RestApi").items():
        if api["Body"].get("x-amazon-apigateway-binary-media-types") != ["*/*"]:
            yield f"{name}: pictures arrive as broken text"


def every_route_but_the_document_needs_a_key(template: ExpandedTemplate) -> Findings:
    for api in template.of_type("ApiGateway::RestApi").values():
        for path, methods in api["Body"]["paths"].items():
            for method, operation in methods.items():
                is_keyed = {"api_key": []} in operation.get("security", [])
                if is_keyed == (path in OPEN_PATHS):
                    yield f"{method.upper()} {path}: {'closed to readers' if is_keyed else 'open to everybody'}"


def gateway_errors_look_like_ours(template: ExpandedTemplate) -> Findings:
    for api in template.of_type("ApiGateway::RestApi").values():
        answers = api["Body"].get("x-amazon-apigateway-gateway-responses", {})
        yield from (f"{kind}: is AWS's own body" for kind in NEEDED_GATEWAY_ERRORS.keys() - answers.keys())
        for kind, answer in answers.items():
            yield from _wrong_answer(kind, answer)


def a_missing_key_is_told_how_to_authenticate(template: ExpandedTemplate) -> Findings:
    """Compare the challenge of the gateway's 401 with the functions'."""
    for api in template.of_type("ApiGateway::RestApi").values():
        answer = api["Body"]["x-amazon-apigateway-gateway-responses"].get("INVALID_API_KEY", {})
        sent = answer.get("responseParameters", {}).get("gatewayresponse.header.WWW-Authenticate")
        if sent != f"'{CHALLENGE}'":
            yield f"INVALID_API_KEY: its challenge is {sent}"


def _wrong_answer(kind: str, answer: dict[str, Any]) -> Findings:
    if list(answer["responseTemplates"]) != ["application/json"]:
        yield f"{kind}: is not exactly application/json"
        return
    try:
        body = json.loads(answer["responseTemplates"]["application/json"])
    except ValueError:
        yield f"{kind}: is not JSON"
        return
    if (
        body.keys() != ERROR_FIELDS | MORE_FIELDS.get(kind, set())
        or body["error"] != body["detail"]
        or body["request_id"] != "$context.requestId"
    ):
        yield f"{kind}: lacks a field of the error body"
        return
    status, code = NEEDED_GATEWAY_ERRORS.get(kind, (body["status"], body["code"]))
    if (body["status"], body["code"], int(answer["statusCode"])) != (status, code, status):
        yield f"{kind}: is not {status} {code}"
    if body["type"] != f"urn:lambent:error:{body['code']}":
        yield f"{kind}: has another type than the same error of a function"


RULES = [
    binary_bodies_pass,
    every_route_but_the_document_needs_a_key,
    gateway_errors_look_like_ours,
    a_missing_key_is_told_how_to_authenticate,
]
