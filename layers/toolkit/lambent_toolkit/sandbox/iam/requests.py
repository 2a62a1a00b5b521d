"""Requests of all protocols of AWS, read as far as their rights depend on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree as ET

import botocore.session

from lambent_toolkit.sandbox.iam.caller import Caller, Environ, body_of, query_of
from lambent_toolkit.sandbox.iam.errors import Unjudged
from lambent_toolkit.sandbox.iam.question import Call, Question
from lambent_toolkit.sandbox.iam.questions_s3 import S3Request, object_arn, questions_of_s3

VIRTUAL_HOST = re.compile(r"^(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.s3[.-][a-z0-9.-]+$")
CBOR_CALL = re.compile(r"/service/[^/]+/operation/(?P<operation>\w+)$")
REST_SERVICES = ("lambda", "batch", "xray")


def path_of(environ: Environ) -> str:
    """Return the path as text; WSGI carries its UTF-8 as Latin-1."""
    return str(environ.get("PATH_INFO", "/")).encode("latin-1").decode("utf-8", "replace")


def read_call(environ: Environ, caller: Caller) -> Call:
    """Read a request of any service but S3.

    Raises
    ------
    Unjudged   its operation cannot be told
    """
    method, path = str(environ.get("REQUEST_METHOD", "GET")), path_of(environ)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        if "Action" in query_of(environ):  # moto would do this one
            raise Unjudged(f"{caller.service} {method} {path} with two operations")
        return Call(caller.service, target.rpartition(".")[2], _json(body_of(environ)))
    if match := CBOR_CALL.search(path):
        return Call(caller.service, match.group("operation"), {})
    if caller.service in REST_SERVICES:
        return _rest(caller.service, method, path, _json(body_of(environ)))
    if caller.service == "apigateway":
        return Call(caller.service, method, {}, path=path, method=method)
    values = query_of(environ) | dict(parse_qsl(body_of(environ).decode("utf-8", "replace")))
    if "Action" not in values:
        raise Unjudged(f"{caller.service} {method} {path}")
    return Call(caller.service, values["Action"], values)


def read_s3(environ: Environ) -> S3Request:
    """Read a request of S3, with its bucket in the host or in the path."""
    host = str(environ.get("HTTP_HOST", "")).partition(":")[0]
    path = path_of(environ).removeprefix("/")
    if match := VIRTUAL_HOST.match(host):
        bucket, key = match.group("bucket"), path
    else:
        bucket, _, key = path.partition("/")
    fields = {name[5:].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    return S3Request(str(environ.get("REQUEST_METHOD", "GET")), bucket, key, query_of(environ), fields)


def s3_questions(environ: Environ, caller: Caller, request: S3Request) -> list[Question]:
    """Return what a request of S3 asks, its body included where objects are named there.

    Raises
    ------
    Unjudged   the request is none of those that are known
    """
    if caller.form_key is not None:
        if request.key or request.query:
            raise Unjudged(f"S3 form to /{request.bucket}/{request.key} with {sorted(request.query)}")
        return [Question("s3:PutObject", object_arn(request.bucket, caller.form_key))]
    if request.method == "POST" and not request.key and "delete" in request.query:
        return [_deletion(request.bucket, each) for each in _deleted(body_of(environ))]
    return questions_of_s3(request)


def _deleted(body: bytes) -> Iterator[tuple[str, str | None]]:
    for element in ET.fromstring(body).iter():  # noqa: S314 - from processes of this machine
        if element.tag.endswith("Object"):
            parts = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            yield parts["Key"], parts.get("VersionId")


def _deletion(bucket: str, named: tuple[str, str | None]) -> Question:
    key, version = named
    return Question("s3:DeleteObjectVersion" if version else "s3:DeleteObject", object_arn(bucket, key))


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        return {}  # a payload of Invoke may be anything; everywhere else the service refuses it
    return value if isinstance(value, dict) else {}


def _rest(service: str, method: str, path: str, body: dict[str, Any]) -> Call:
    for name, wanted, pattern in _routes(service):
        if wanted == method and (match := pattern.fullmatch(path.rstrip("/"))):
            labels = {key: unquote(value) for key, value in match.groupdict().items()}
            return Call(service, name, {**body, **labels}, path=path, method=method)
    raise Unjudged(f"{service} {method} {path}")


@lru_cache
def _routes(service: str) -> list[tuple[str, str, re.Pattern[str]]]:
    """Return (operation, method, path) of a service with a REST protocol, from the SDK's own description."""
    model = botocore.session.get_session().get_service_model(service)
    return [
        (name, http["method"], _path_pattern(http["requestUri"]))
        for name in model.operation_names
        for http in [model.operation_model(name).http]
    ]


def _path_pattern(uri: str) -> re.Pattern[str]:
    path = uri.partition("?")[0].rstrip("/")
    parts = re.split(r"\{([^}]+)\}", path)
    return re.compile("".join(_part(text, index) for index, text in enumerate(parts)))


def _part(text: str, index: int) -> str:
    if index % 2 == 0:
        return re.escape(text)
    return f"(?P<{text.rstrip('+')}>{'.+' if text.endswith('+') else '[^/]+'})"
