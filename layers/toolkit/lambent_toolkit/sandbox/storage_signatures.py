"""Presigned links and forms, held to their signatures, dates and conditions; moto takes them for what they say.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html and sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.formparser import parse_form_data

from lambent_toolkit.sandbox.iam.requests import read_s3
from lambent_toolkit.sandbox.storage_hosts import S3Error

DATE = "%Y%m%dT%H%M%SZ"
FORBIDDEN, BAD_REQUEST = "403 Forbidden", "400 Bad Request"
_MISMATCH = S3Error(
    FORBIDDEN,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
)
# Buckets that were made since June 2020 take no other version.
_OLD_VERSION = S3Error(
    BAD_REQUEST,
    "InvalidRequest",
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
)
# Fields of a form that its policy need not name.
_FREE = frozenset({"policy", "x-amz-signature", "file"})
_UNKNOWN_KEY = S3Error(
    FORBIDDEN, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
)
Fields = dict[str, str]
SecretOf = Callable[[str], str | None]


def refuse_presigned(environ: dict[str, Any], now: datetime, secret_of: SecretOf) -> S3Error | None:
    """Return why S3 refuses a presigned link or form ``now``; None if it is right, or if the request is neither.

    A form's body is read and put back.

    Parameters
    ----------
    secret_of   the secret of an access key; None if nobody has it
    """
    query = str(environ.get("QUERY_STRING", ""))
    if "X-Amz-Signature=" in query:
        return _refuse_link(environ, dict(parse_qsl(query, keep_blank_values=True)), now, secret_of)
    if environ.get("REQUEST_METHOD") == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
        return _refuse_form(environ, now, secret_of)
    return None


def _refuse_link(environ: dict[str, Any], query: Fields, now: datetime, secret_of: SecretOf) -> S3Error | None:
    try:
        signed_at = _parsed(query["X-Amz-Date"])
        signed_headers = query["X-Amz-SignedHeaders"].split(";")
        key_id, _, region, service, _ = query["X-Amz-Credential"].split("/")
        lifetime_s = int(query["X-Amz-Expires"])
    except (KeyError, ValueError):
        return S3Error(BAD_REQUEST, "AuthorizationQueryParametersError", "A parameter of the signature is not valid.")
    secret = secret_of(key_id)
    if secret is None:
        return _UNKNOWN_KEY
    if now > signed_at + timedelta(seconds=lifetime_s):
        return S3Error(FORBIDDEN, "AccessDenied", "Request has expired")
    parts = [part for part in environ["QUERY_STRING"].split("&") if not part.startswith("X-Amz-Signature=")]
    path = str(environ.get("RAW_URI") or environ["PATH_INFO"]).partition("?")[0]
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}{path}?{'&'.join(parts)}",
        headers={name: _header(environ, name) for name in signed_headers},
    )
    request.context["timestamp"] = query["X-Amz-Date"]
    auth = S3SigV4QueryAuth(Credentials(key_id, secret), service, region, expires=lifetime_s)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return None if hmac.compare_digest(wanted, query["X-Amz-Signature"]) else _MISMATCH


def _refuse_form(environ: dict[str, Any], now: datetime, secret_of: SecretOf) -> S3Error | None:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    _, form, files = parse_form_data({**environ, "wsgi.input": io.BytesIO(body)}, _in_memory)
    fields = {name.lower(): value for name, value in form.items()}
    if "awsaccesskeyid" in fields or "policy" not in fields or "file" not in {*files, *fields}:
        return _OLD_VERSION if "awsaccesskeyid" in fields else S3Error(FORBIDDEN, "AccessDenied", "Access Denied")
    content = files["file"].stream.read() if "file" in files else fields["file"].encode()
    try:
        policy = json.loads(base64.b64decode(fields["policy"], validate=True))
        key_id, _, region, service, _ = fields["x-amz-credential"].split("/")
        expires_at = datetime.fromisoformat(policy["expiration"])
        conditions = list(policy["conditions"])
    except (KeyError, ValueError, TypeError):
        return S3Error(BAD_REQUEST, "InvalidPolicyDocument", "Invalid Policy: the document cannot be read.")
    secret = secret_of(key_id)
    if secret is None:
        return _UNKNOWN_KEY
    request = AWSRequest(method="POST", url="https://unused")
    request.context["timestamp"] = fields.get("x-amz-date", "")
    auth = S3SigV4PostAuth(Credentials(key_id, secret), service, region)
    if not hmac.compare_digest(auth.signature(fields["policy"], request), fields.get("x-amz-signature", "")):
        return _MISMATCH
    if now > expires_at:
        return _against_policy("Policy expired.")
    fields["bucket"] = read_s3(environ).bucket
    return _refuse_fields(fields, conditions, size_bytes=len(content)) or _refuse_checksum(fields, content)


def _in_memory(**_file: Any) -> io.BytesIO:
    """Keep a file of a form where it is read; uploads are at most 100 MiB (MaxUploadBytes)."""
    return io.BytesIO()


def _refuse_fields(fields: Fields, conditions: list[Any], *, size_bytes: int) -> S3Error | None:
    named = {"bucket"}
    for condition in conditions:
        operation, name, value = _read(condition)
        if operation == "content-length-range":
            error = _refuse_size(size_bytes, least=int(name), most=int(value))
            if error is not None:
                return error
            continue
        named.add(name)
        if not _holds(fields.get(name, ""), operation, value):
            return _against_policy(f"Policy Condition failed: {json.dumps([operation, f'${name}', value])}")
    extra = fields.keys() - named - _FREE
    extra = {name for name in extra if not name.startswith("x-ignore-")}
    return _against_policy(f"Extra input fields: {min(extra)}") if extra else None


def _refuse_checksum(fields: Fields, content: bytes) -> S3Error | None:
    told = fields.get("x-amz-checksum-sha256")
    if told is None or told == base64.b64encode(hashlib.sha256(content).digest()).decode():
        return None
    return S3Error(BAD_REQUEST, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")


def _read(condition: Any) -> tuple[str, str, str]:
    """Return a condition's operation, field and value; of a range its two ends."""
    if isinstance(condition, dict):
        name, value = next(iter(condition.items()))
        return "eq", name.lower(), str(value)
    operation, name, value = condition
    return str(operation).lower(), str(name).removeprefix("$").lower(), str(value)


def _holds(got: str, operation: str, value: str) -> bool:
    return got.startswith(value) if operation == "starts-with" else got == value


def _refuse_size(size_bytes: int, *, least: int, most: int) -> S3Error | None:
    if size_bytes > most:
        details = (("ProposedSize", str(size_bytes)), ("MaxSizeAllowed", str(most)))
        message = "Your proposed upload exceeds the maximum allowed size"
        return S3Error(BAD_REQUEST, "EntityTooLarge", message, details)
    if size_bytes < least:
        details = (("ProposedSize", str(size_bytes)), ("MinSizeAllowed", str(least)))
        message = "Your proposed upload is smaller than the minimum allowed size"
        return S3Error(BAD_REQUEST, "EntityTooSmall", message, details)
    return None


def _against_policy(reason: str) -> S3Error:
    return S3Error(FORBIDDEN, "AccessDenied", f"Invalid according to Policy: {reason}")


def _parsed(date: str) -> datetime:
    return datetime.strptime(date, DATE).replace(tzinfo=UTC)


def _header(environ: dict[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", ""))
