"""Which web pages S3 answers: a bucket's own CORS rules, which moto follows loosely.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
"""

from __future__ import annotations

import re

from moto.s3.models import CorsRule, s3_backends

from lambent_toolkit.sandbox.iam.caller import S3, Environ, caller_of
from lambent_toolkit.sandbox.iam.requests import read_s3
from lambent_toolkit.sandbox.options import ACCOUNT_ID

Fields = list[tuple[str, str]]
ANY = "*"
ASKED = "HTTP_ACCESS_CONTROL_REQUEST_"


def is_preflight(environ: Environ) -> bool:
    """Tell whether a browser asks before it sends."""
    return environ.get("REQUEST_METHOD") == "OPTIONS" and f"{ASKED}METHOD" in environ


def find_rule(environ: Environ, origin: str) -> CorsRule | None:
    """Return the first rule of the bucket by which a page of `origin` may send this request; None without one.

    Only requests of S3 have a bucket: what names another service by its signature or its target is none's.
    """
    if "HTTP_X_AMZ_TARGET" in environ or caller_of(environ).service != S3:
        return None
    return next((rule for rule in _rules_of(read_s3(environ).bucket) if _allows(rule, environ, origin)), None)


def cors_fields(rule: CorsRule, environ: Environ, origin: str) -> Fields:
    """Return the header fields by which a browser lets a page send, or read the answer."""
    named = ANY if ANY in rule.allowed_origins else origin
    fields = [("Access-Control-Allow-Origin", named), ("Vary", "Origin")]
    fields += [("Access-Control-Allow-Methods", ", ".join(rule.allowed_methods))]
    if rule.exposed_headers:
        fields += [("Access-Control-Expose-Headers", ", ".join(rule.exposed_headers))]
    if asked := environ.get(f"{ASKED}HEADERS"):
        fields += [("Access-Control-Allow-Headers", str(asked))]
    if rule.max_age_seconds:
        fields += [("Access-Control-Max-Age", str(rule.max_age_seconds))]
    return fields


def _allows(rule: CorsRule, environ: Environ, origin: str) -> bool:
    is_asked = is_preflight(environ)
    method = str(environ.get(f"{ASKED}METHOD" if is_asked else "REQUEST_METHOD", ""))
    asked = str(environ.get(f"{ASKED}HEADERS", "")).split(",") if is_asked else []
    allowed = [each.lower() for each in rule.allowed_headers or ()]
    return (
        any(_matches(pattern, origin) for pattern in rule.allowed_origins)
        and method in rule.allowed_methods
        and all(any(_matches(each, name.strip().lower()) for each in allowed) for name in asked if name.strip())
    )


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), value) is not None


def _rules_of(bucket: str) -> list[CorsRule]:
    for backend in s3_backends[ACCOUNT_ID].values():
        if bucket in backend.buckets:
            return list(backend.buckets[bucket].cors)
    return []
