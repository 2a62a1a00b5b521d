"""Rules of the HTTP door."""

from __future__ import annotations

import json
from typing import Any

from template_expanded import ExpandedTemplate
from template_references import Findings

from lambent.errors import DeadlineExceeded, LambentError, Unavailable
from lambent.runtime.http_errors import CHALLENGE

# So many keys may go at their own limit at once before one of them notices the others.
LEAST_KEYS_AT_ONCE = 5
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
MOST_OPEN_REQUESTS_PER_S = 2
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
# Who asked for what, with what outcome, and how long it took.
LOGGED = {
    "$context.requestId",
    "$context.identity.apiKeyId",
    "$context.identity.sourceIp",
    "$context.status",
    "$context.responseLatency",
    "$context.httpMethod",
    "$context.path",
}
NEEDED_GATEWAY_ERRORS = {
    "INVALID_API_KEY": (401, "auth_invalid"),
    "MISSING_AUTHENTICATION_TOKEN": (404, "route_not_found"),
    "REQUEST_TOO_LARGE": (413, "payload_too_large"),
    "THROTTLED": (429, "rate_limited"),
    "QUOTA_EXCEEDED": (429, "rate_limited"),
    "INTEGRATION_FAILURE": (502, "unavailable"),
    "INTEGRATION_TIMEOUT": (504, "deadline_exceeded"),
    "API_CONFIGURATION_ERROR": (503, "unavailable"),
    "DEFAULT_4XX": (400, "request_malformed"),
    "DEFAULT_5XX": (502, "internal_error"),
}
# What a code says about another try, at the gateway as at the functions; the gateway's own codes are always worth one.
RETRYABLE_BY_CODE = {each.code: each.is_retryable for each in (DeadlineExceeded, LambentError, Unavailable)} | {
    "rate_limited": True
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
                if is_keyed == (path in OPEN_PATHS or method == "options"):
                    yield f"{method.upper()} {path}: {'closed to readers' if is_keyed else 'open to everybody'}"


def gateway_errors_look_like_ours(template: ExpandedTemplate) -> Findings:
    for api in template.of_type("ApiGateway::RestApi").values():
        answers = api["Body"].get("x-amazon-apigateway-gateway-responses", {})
        yield from (f"{kind}: is AWS's own body" for kind in NEEDED_GATEWAY_ERRORS.keys() - answers.keys())
        for kind, answer in answers.items():
            yield from _wrong_answer(kind, answer)


def gateway_errors_tell_when_another_try_is_worth_it(template: ExpandedTemplate) -> Findings:
    """Every 5xx and every error that is worth another try says when; what this very request causes is not worth one."""
    for api in template.of_type("ApiGateway::RestApi").values():
        for kind, answer in api["Body"].get("x-amazon-apigateway-gateway-responses", {}).items():
            body = json.loads(answer["responseTemplates"]["application/json"])
            if body["retryable"] != RETRYABLE_BY_CODE.get(body["code"], False):
                yield f"{kind}: {body['code']} is {'not ' * (not body['retryable'])}retryable here, elsewhere otherwise"
            after = answer.get("responseParameters", {}).get("gatewayresponse.header.Retry-After", "")
            if (body["retryable"] or body["status"] >= 500) != after.strip("'").isdigit():
                yield f"{kind}: {'says' if after else 'does not say'} after how long to try again"


def a_missing_key_is_told_how_to_authenticate(template: ExpandedTemplate) -> Findings:
    """Compare the challenge of the gateway's 401 with the functions'."""
    for api in template.of_type("ApiGateway::RestApi").values():
        answer = api["Body"]["x-amazon-apigateway-gateway-responses"].get("INVALID_API_KEY", {})
        sent = answer.get("responseParameters", {}).get("gatewayresponse.header.WWW-Authenticate")
        if sent != f"'{CHALLENGE}'":
            yield f"INVALID_API_KEY: its challenge is {sent}"


def open_routes_are_throttled(template: ExpandedTemplate) -> Findings:
    """Bound what everybody may call; preflights are there for declared origins only."""
    for api in template.of_type("ApiGateway::RestApi").values():
        throttled = {each for stage in template.of_type("ApiGateway::Stage").values() for each in _throttled(stage)}
        for path, methods in api["Body"]["paths"].items():
            for method, operation in methods.items():
                is_open = {"api_key": []} not in operation.get("security", []) and method != "options"
                if is_open and (path, method.upper()) not in throttled:
                    yield f"{method.upper()} {path}: anybody may call it as often as all keys together"


def one_key_leaves_most_of_the_stage_to_the_others(template: ExpandedTemplate) -> Findings:
    """Compare the throttle of a key's plan with the one that all keys share at each method."""
    plans = [each["Throttle"] for each in template.of_type("ApiGateway::UsagePlan").values()]
    for name, stage in template.of_type("ApiGateway::Stage").items():
        shared = next((each for each in stage.get("MethodSettings", []) if each["ResourcePath"] == "/*"), {})
        for of_all, of_key in (("ThrottlingRateLimit", "RateLimit"), ("ThrottlingBurstLimit", "BurstLimit")):
            least = LEAST_KEYS_AT_ONCE * max(float(plan[of_key]) for plan in plans)
            if float(shared.get(of_all, least)) < least:
                yield f"{name}: {of_all} is used up by less than {LEAST_KEYS_AT_ONCE} keys at their own limit"


def _throttled(stage: dict[str, Any]) -> Findings:
    for each in stage.get("MethodSettings", []):
        path = each["ResourcePath"]
        # Slashes but the first are written as ~1; a setting of another path would set nothing.
        if path.startswith("/~1") and 0 < each.get("ThrottlingRateLimit", 0) <= MOST_OPEN_REQUESTS_PER_S:
            yield path[1:].replace("~1", "/"), each["HttpMethod"]


def methods_are_not_metered_unless_asked_for(template: ExpandedTemplate) -> Findings:
    for name, stage in template.of_type("ApiGateway::Stage").items():
        for each in stage.get("MethodSettings", []):
            is_metered = str(each.get("MetricsEnabled", "false")).lower() == "true"
            if is_metered and template.parameters.get("MethodMetrics") != "true":
                yield f"{name} {each['ResourcePath']}: five paid metrics for each method in use"


def an_access_log_is_written_when_asked_for_and_is_kept_for_a_time(template: ExpandedTemplate) -> Findings:
    groups = template.of_type("Logs::LogGroup")
    is_wanted = template.parameters.get("AccessLog") == "true"
    for name, stage in template.of_type("ApiGateway::Stage").items():
        setting = stage.get("AccessLogSetting")
        if (setting is not None) != is_wanted:
            # A stage with a log is refused by an account whose API Gateway has no CloudWatch role.
            yield f"{name}: {'no access log' if is_wanted else 'needs a role of the account that nobody asked for'}"
        if setting is None:
            continue
        if not groups.get(setting["DestinationArn"].get("Fn::GetAtt", [""])[0], {}).get("RetentionInDays"):
            yield f"{name}: its access log is not kept for a time"
        yield from _missing_in_log(name, setting["Format"])


def _missing_in_log(name: str, log_format: str) -> Findings:
    try:
        fields = json.loads(log_format)
    except ValueError:
        yield f"{name}: a line of its access log is no JSON"
        return
    yield from (f"{name}: its access log lacks {each}" for each in LOGGED - set(fields.values()))


def pages_of_declared_origins_may_ask(template: ExpandedTemplate) -> Findings:
    """Every path answers preflights if origins are declared, and none does otherwise."""
    is_wanted = bool(template.parameters.get("AllowedOrigins"))
    for api in template.of_type("ApiGateway::RestApi").values():
        for path, methods in api["Body"]["paths"].items():
            if ("options" in methods) != is_wanted:
                yield f"{path}: {'pages cannot ask' if is_wanted else 'answers preflights of undeclared origins'}"
            if "options" in methods:
                yield from _wrong_preflight(path, methods["options"])


def pages_of_declared_origins_may_read_errors_and_upload(template: ExpandedTemplate) -> Findings:
    is_wanted = bool(template.parameters.get("AllowedOrigins"))
    for api in template.of_type("ApiGateway::RestApi").values():
        for kind, answer in api["Body"].get("x-amazon-apigateway-gateway-responses", {}).items():
            shared = answer.get("responseParameters", {}).get(f"gatewayresponse.header.{ALLOW_ORIGIN}")
            if shared != ("'*'" if is_wanted else None):
                yield f"{kind}: pages {'cannot' if is_wanted else 'of undeclared origins can'} read it"
    for bucket in template.of_type("S3::Bucket").values():
        if "NotificationConfiguration" in bucket and ("CorsConfiguration" in bucket) != is_wanted:
            yield "uploads: not for the same origins as the API"


def _wrong_preflight(path: str, operation: dict[str, Any]) -> Findings:
    integration = operation["x-amazon-apigateway-integration"]
    (answer,) = integration["responses"].values()
    if integration["type"] != "mock" or "security" in operation:
        yield f"{path}: a preflight has no key, and is no function's work"
    if integration.get("contentHandling") != "CONVERT_TO_TEXT":
        yield f"{path}: a preflight's body counts as binary, which no template takes: 500"
    sent = {name.removeprefix("method.response.header.") for name in answer.get("responseParameters", {})}
    needed = {ALLOW_ORIGIN, "Access-Control-Allow-Headers", "Access-Control-Allow-Methods"}
    declared = operation["responses"].get(answer["statusCode"], {}).get("headers", {})
    if needed - sent or sent - declared.keys():
        yield f"{path}: a preflight's answer lacks a header, or the declaration of one"


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
    gateway_errors_tell_when_another_try_is_worth_it,
    a_missing_key_is_told_how_to_authenticate,
    open_routes_are_throttled,
    one_key_leaves_most_of_the_stage_to_the_others,
    methods_are_not_metered_unless_asked_for,
    an_access_log_is_written_when_asked_for_and_is_kept_for_a_time,
    pages_of_declared_origins_may_ask,
    pages_of_declared_origins_may_read_errors_and_upload,
]
