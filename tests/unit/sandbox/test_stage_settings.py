"""What a stage sets: throttles of methods and the access log."""

import json
from pathlib import Path

from lambent_toolkit.sandbox.http_messages import HttpRequest, HttpResponse
from lambent_toolkit.sandbox.stage_settings import Answered, MethodThrottles, read_access_log

SETTINGS = [
    {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": "3", "ThrottlingBurstLimit": "3"},
    {"ResourcePath": "/~1a~1{b}", "HttpMethod": "GET", "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1},
]


def passed(throttles: MethodThrottles, resource: str, method: str, times_s: list[float]) -> list[bool]:
    return [throttles.take(resource, method, each) for each in times_s]


def test_a_methods_own_throttle_stands_before_that_of_all_methods() -> None:
    throttles = MethodThrottles(SETTINGS)

    assert passed(throttles, "/a/{b}", "GET", [0, 0, 0, 2]) == [True, False, False, True]
    assert passed(throttles, "/a/{b}", "POST", [0, 0, 0, 0]) == [True, True, True, False]


def test_each_method_has_the_rate_of_all_methods_for_itself() -> None:
    throttles = MethodThrottles(SETTINGS)

    assert passed(throttles, "/x", "GET", [0] * 4) == [True, True, True, False]
    assert passed(throttles, "/y", "GET", [0] * 4) == [True, True, True, False]


def test_without_settings_nothing_is_throttled() -> None:
    assert all(passed(MethodThrottles([]), "/x", "GET", [0] * 1000))


def answered(**more: object) -> Answered:
    fields = {"resource": "/jobs/{id}", "full_path": "/dev/jobs/1", "key_id": "key", "error": None}
    request = HttpRequest("GET", "/jobs/1", "", [("User-Agent", 'a "quoted" one')], b"", "192.0.2.1", request_id="r")
    times = {"latency_ms": 12.4, "integration_ms": 11.6}
    return Answered(request, HttpResponse(404, [], b"body"), **{**fields, **times, **more})  # type: ignore[arg-type]


def test_each_request_leaves_a_line_of_json_in_the_stages_format(tmp_path: Path) -> None:
    names = ["requestId", "identity.apiKeyId", "identity.sourceIp", "identity.userAgent", "path", "status"]
    log_format = json.dumps({name: f"$context.{name}" for name in [*names, "responseLatency", "error.responseType"]})
    log = read_access_log({"AccessLogSetting": {"DestinationArn": "arn", "Format": log_format}}, tmp_path)
    assert log is not None

    log.write(answered())
    log.write(answered(key_id=None, error="THROTTLED", integration_ms=None))

    first, second = (json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines())
    assert first == {
        "requestId": "r",
        "identity.apiKeyId": "key",
        "identity.sourceIp": "192.0.2.1",
        "identity.userAgent": 'a "quoted" one',
        "path": "/dev/jobs/1",
        "status": "404",
        "responseLatency": "12",
        "error.responseType": "-",
    }
    assert (second["identity.apiKeyId"], second["error.responseType"]) == ("-", "THROTTLED")


def test_a_stage_without_the_setting_has_no_log(tmp_path: Path) -> None:
    assert read_access_log({}, tmp_path) is None
