"""What a stage of a REST API sets: throttles of its methods, and the access log."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.http_messages import HttpRequest, HttpResponse
from lambent_toolkit.sandbox.private_files import private_open
from lambent_toolkit.sandbox.usage_plans import TokenBucket

ALL = ("/*", "*")
VARIABLE = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)")
UNKNOWN = "-"


class MethodThrottles:
    """Lets through as many requests a second of each method as the stage's settings say.

    Parameters
    ----------
    settings : list of the stage's MethodSettings; those of a method stand before those of all methods
    """

    def __init__(self, settings: list[Mapping[str, Any]]) -> None:
        self._settings = {(_path(each), str(each.get("HttpMethod", "*"))): each for each in settings}
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def take(self, resource: str, method: str, now_s: float) -> bool:
        """Count one request of a method; return whether it may pass."""
        chosen = self._settings.get((resource, method)) or self._settings.get(ALL) or {}
        rate, burst = chosen.get("ThrottlingRateLimit"), chosen.get("ThrottlingBurstLimit")
        if rate is None or burst is None:
            return True
        name = (resource, method)
        if name not in self._buckets:
            self._buckets[name] = TokenBucket(float(rate), int(burst), now_s)
        return self._buckets[name].take(now_s)


def _path(setting: Mapping[str, Any]) -> str:
    """Return the resource's path, whose slashes but the first are written as ~1: /~1jobs~1{id} is /jobs/{id}."""
    path = str(setting.get("ResourcePath", "/*"))
    return path[1:].replace("~1", "/") if path.startswith("/~1") else path


@dataclass(frozen=True)
class Answered:
    """One request that was answered; ``error`` is the gateway's own response type, if the answer is its own."""

    request: HttpRequest
    response: HttpResponse
    resource: str
    full_path: str
    key_id: str | None
    error: str | None
    latency_ms: float
    integration_ms: float | None


class AccessLog:
    """A file with a line for each request, in the stage's format.

    Parameters
    ----------
    path : Path
    log_format : str    text with $context variables; one that is not known here is written as "-", as AWS does
    """

    def __init__(self, path: Path, log_format: str) -> None:
        self._path, self._format = path, log_format

    def write(self, answered: Answered) -> None:
        """Add one line."""
        known = _context(answered)
        line = VARIABLE.sub(lambda found: _escaped(known.get(found.group(1))), self._format)
        with private_open(self._path, "a") as log:
            log.write(f"{line}\n")


def read_access_log(stage: Mapping[str, Any], folder: Path | None) -> AccessLog | None:
    """Return the log that a stage asks for, if any."""
    setting = stage.get("AccessLogSetting") or {}
    return AccessLog(folder / "access.log", str(setting["Format"])) if folder is not None and setting else None


def _context(answered: Answered) -> dict[str, Any]:
    request, response = answered.request, answered.response
    return {
        "requestId": request.request_id,
        "extendedRequestId": request.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "identity.sourceIp": request.source_ip,
        "identity.userAgent": request.header("user-agent"),
        "identity.apiKeyId": answered.key_id,
        "httpMethod": request.method,
        "protocol": request.protocol,
        "path": answered.full_path,
        "resourcePath": answered.resource,
        "status": response.status,
        "responseLength": len(response.body),
        "responseLatency": round(answered.latency_ms),
        "integrationLatency": None if answered.integration_ms is None else round(answered.integration_ms),
        "error.responseType": answered.error,
    }


def _escaped(value: Any) -> str:
    """Return a value as it stands inside a JSON text."""
    return UNKNOWN if value is None or value == "" else json.dumps(str(value))[1:-1]
