"""Who signed a request: by header, by address (a presigned link) or by form."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.formparser import parse_form_data

Environ = dict[str, Any]
CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
OLD_SIGNATURE = re.compile(r"^AWS ([^:\s]+):")
S3 = "s3"


@dataclass(frozen=True)
class Caller:
    """An access key with what came beside it.

    Parameters
    ----------
    key_id : str            empty for a request that nobody signed
    service : str           as the signature names it
    token : str | None      session token
    form_key : str | None   key of the object that a form stores
    """

    key_id: str
    service: str
    token: str | None = None
    form_key: str | None = None


def query_of(environ: Environ) -> dict[str, str]:
    """Return the query of a request, names without a value included."""
    return dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))


def caller_of(environ: Environ) -> Caller:
    """Return who signed a request; one that nobody signed is taken as one of S3, which alone answers such."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    if match := CREDENTIAL.search(header):
        return Caller(match.group(1), match.group(2), token)
    if match := OLD_SIGNATURE.match(header):
        return Caller(match.group(1), S3, token)
    query = query_of(environ)
    if credential := query.get("X-Amz-Credential"):
        parts = credential.split("/")
        return Caller(parts[0], parts[3] if len(parts) > 3 else S3, query.get("X-Amz-Security-Token", token))  # noqa: PLR2004
    if "AWSAccessKeyId" in query:
        return Caller(query["AWSAccessKeyId"], S3, query.get("x-amz-security-token", token))
    if environ.get("REQUEST_METHOD") == "POST" and "form-data" in environ.get("CONTENT_TYPE", ""):
        return _of_form(environ)
    return Caller("", S3)


def body_of(environ: Environ) -> bytes:
    """Read a request's body, and leave it to be read again."""
    body = bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _of_form(environ: Environ) -> Caller:
    body = body_of(environ)
    _stream, fields, files = parse_form_data({**environ, "wsgi.input": io.BytesIO(body)})
    values = {name.lower(): value for name, value in fields.items()}
    file = files.get("file")
    key = values.get("key", "").replace("${filename}", (file.filename or "") if file else "")
    key_id = values.get("x-amz-credential", "").partition("/")[0] or values.get("awsaccesskeyid", "")
    return Caller(key_id, S3, values.get("x-amz-security-token"), form_key=key)
