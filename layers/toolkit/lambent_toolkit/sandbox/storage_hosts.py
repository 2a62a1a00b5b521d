"""S3 under AWS's own host names: each Region has its own, and the global one knows where a bucket really is.

A request that comes with such a name in its Host header is answered as AWS would, so that links which are signed for
the wrong host fail here too. Others, which name this machine, go to every bucket.
https://docs.aws.amazon.com/AmazonS3/latest/API/UsingRouting.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from moto.s3.models import s3_backends

from lambent_toolkit.sandbox.options import ACCOUNT_ID

HOST = re.compile(
    r"^(?:(?P<bucket>[a-z0-9.-]+)\.)?s3(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.(?P<suffix>amazonaws\.com(?:\.cn)?)$"
)
GLOBAL_REGION = "us-east-1"
# Regions from before 2019-03-20: the global host redirects to them, and refuses what is in any other.
REDIRECTED = frozenset({
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
    "ap-southeast-1", "ap-southeast-2", "us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1",
})  # fmt: skip
_TEMPORARY = (
    "Please re-send this request to the specified temporary endpoint. Continue to use the original request endpoint "
    "for future requests."
)
_PERMANENT = (
    "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future "
    "requests to this endpoint."
)


@dataclass(frozen=True)
class S3Error:
    """An answer of S3 that is no success."""

    status: str
    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def answer(self, start_response: Any) -> Iterable[bytes]:
        """Answer with it (WSGI)."""
        fields = (("Code", self.code), ("Message", self.message), *self.details, ("RequestId", "local"))
        inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields)
        start_response(self.status, [("Content-Type", "application/xml"), *self.headers])
        return [f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inside}</Error>'.encode()]


def wrong_host(environ: dict[str, Any]) -> S3Error | None:
    """Return what the host of a request answers if its bucket is in another Region, None for all else."""
    match = HOST.match(environ.get("HTTP_HOST", ""))
    bucket = None if match is None else _bucket(match, environ)
    region = None if bucket is None else _region_of(bucket)
    if match is None or bucket is None or region is None or region == (match["region"] or GLOBAL_REGION):
        return None
    endpoint = f"{bucket}.s3.{region}.{match['suffix']}"
    if match["region"] is None and region not in REDIRECTED:
        return S3Error(
            "400 Bad Request",
            "IllegalLocationConstraintException",
            f"The {region} location constraint is incompatible for the region specific endpoint this request was sent "
            "to.",
        )
    details, headers = (("Endpoint", endpoint), ("Bucket", bucket)), (("x-amz-bucket-region", region),)
    if match["region"] is not None:
        return S3Error("301 Moved Permanently", "PermanentRedirect", _PERMANENT, details, headers)
    location = ("Location", f"https://{endpoint}{_key_path(match, environ)}")
    return S3Error("307 Temporary Redirect", "TemporaryRedirect", _TEMPORARY, details, (location, *headers))


def below_one_host(environ: dict[str, Any]) -> dict[str, Any]:
    """Return a request under AWS's name as one of this machine, the bucket in its path."""
    match = HOST.match(environ.get("HTTP_HOST", ""))
    if match is None:
        return environ
    prefix = f"/{match['bucket']}" if match["bucket"] else ""
    return {
        **environ,
        "HTTP_HOST": f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}",
        "PATH_INFO": prefix + environ.get("PATH_INFO", "/"),
        "RAW_URI": prefix + environ.get("RAW_URI", "/"),
        "REQUEST_URI": prefix + environ.get("REQUEST_URI", "/"),
    }


def _bucket(match: re.Match[str], environ: dict[str, Any]) -> str | None:
    return match["bucket"] or environ.get("PATH_INFO", "").split("/")[1:2][0] or None


def _key_path(match: re.Match[str], environ: dict[str, Any]) -> str:
    path = str(environ.get("RAW_URI") or environ.get("PATH_INFO", "/"))
    return path if match["bucket"] else "/" + path.lstrip("/").partition("/")[2]


def _region_of(bucket: str) -> str | None:
    for backend in s3_backends[ACCOUNT_ID].values():
        if bucket in backend.buckets:
            return str(backend.buckets[bucket].region_name)
    return None
