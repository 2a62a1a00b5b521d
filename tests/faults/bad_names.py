"""Bad names, paths, methods, queries and headers, on the routes of all doors."""

from __future__ import annotations

from random import Random
from urllib.parse import quote

from bad_input import BadInput, bad, encoded
from bad_oip import GOOD as GOOD_INFER
from plane import Request

from builders import picture

ODD_NAMES = [
    "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fx", "a%00b", "A", "Shade", "a%20b", "a%0d%0aX-Evil:1",
    "-shade", "_x",
    "a" * 65, "a" * 4000, "%C3%A9t%C3%A9", "%E2%80%AEshade", "shade%2F1", "shade%5C1", "a.b", "shade%23", "shade%3F",
    "~root",
    "%ff", "%25%32%65", "shade;x=1", "shade,shade", "*", "%7B%7D", "${jndi:ldap:x}", "a'or'1'='1", "%3Cscript%3E",
    "shade%20",
]  # fmt: skip
MODEL_ROUTES = [
    ("POST", "/models/{}/predict"), ("POST", "/models/{}/versions/1/predict"), ("POST",
    "/models/{}/labels/live/predict"),
    ("GET", "/models/{}"), ("POST", "/v2/models/{}/infer"), ("GET", "/v2/models/{}"), ("GET", "/v2/models/{}/ready"),
    ("POST", "/v2/models/{}/versions/1/infer"), ("GET", "/v2/models/{}/versions/1"),
]  # fmt: skip
VERSION_ROUTES = [
    ("POST", "/models/shade/versions/{}/predict"), ("POST", "/models/shade/labels/{}/predict"),
    ("POST", "/v2/models/shade/versions/{}/infer"), ("GET", "/v2/models/shade/versions/{}"),
    ("GET", "/v2/models/shade/versions/{}/ready"),
]  # fmt: skip
_VERSIONS = [
    "0",
    "-1",
    "2",
    "99",
    "01",
    "1.0",
    "1e0",
    "9" * 30,
    "%D9%A1",
    "+1",
    "0x1",
    "%201",
    "1%20",
    "none",
    "nan",
    "beta",
]


def ask(method: str, path: str) -> Request:
    """Return a request with a body that its door takes."""
    if method == "GET":
        return Request(method, path)
    if path.startswith("/v2"):
        return Request(method, path, encoded(GOOD_INFER))
    return Request(method, path, picture(255), {"content-type": "image/png"})


def _odd_model(random: Random) -> Request:
    method, path = random.choice(MODEL_ROUTES)
    return ask(method, path.format(random.choice(ODD_NAMES)))


def _unknown_model(random: Random) -> Request:
    method, path = random.choice(MODEL_ROUTES)
    return ask(method, path.format(random.choice(["nobody", "shad", "shade2", "sahde", "x", "a" * 64, "0", "pairs"])))


def _odd_version(random: Random) -> Request:
    method, path = random.choice(VERSION_ROUTES)
    return ask(method, path.format(random.choice([*_VERSIONS, *ODD_NAMES])))


def _unknown_route(random: Random) -> Request:
    method = random.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
    path = random.choice(
        [
            "/", "//", "/x", "/v3", "/v2/x", "/v2/models/shade/x", "/v2//models", "/admin", "/.env", "/.git/config",
            "/jobs/a/b",
            "/models/shade/predict/x", "/v2/models/shade/infer/", "/v2/models/shade/versions", "/v1/x", "/%2e%2e/x",
            "/v2/" + "a/" * 500, "/v2/health", "/models//predict", "/v2/models/shade/generate", "/wp-login.php",
            "/v1/models/a/b/c/d",
        ]
    )  # fmt: skip
    return Request(method, path, b"" if method == "GET" else b"{}")


def _other_method(random: Random) -> Request:
    method = random.choice(["PUT", "DELETE", "PATCH", "TRACE"])
    path = random.choice(["/v2", "/v2/models", "/v2/models/shade/infer", "/models", "/jobs", "/models/shade/predict"])
    return Request(method, path, b"{}")


def _odd_query(random: Random) -> Request:
    value = quote(random.choice(["'", "\x00", "../..", "\u202e", "a" * 4000, "%s%n", "{{7*7}}", "[]", "\xff", "1&1"]))
    query = random.choice(
        ["{0}={0}", "top_k={0}", "&&&=&{0}", "top_k=1&top_k={0}", "{0}", "?=?{0}", "top_k[]={0}", "a=%{0}"]
    )
    return Request("POST", "/models/shade/predict", picture(255), {"content-type": "image/png"}, query.format(value))


def _odd_headers(random: Random) -> Request:
    name = random.choice(
        ["accept", "accept-encoding", "content-encoding", "content-type", "inference-header-content-length", "prefer",
         "idempotency-key", "x-amzn-trace-id", "cookie", "authorization", "x-forwarded-for", "range", "expect", "host"]
    )  # fmt: skip
    value = random.choice(
        ["", ";", ",", "\xff\xfe", "a" * 8000, "gzip;q=x", "1;q=NaN", "../..", "text/csv;q=0", "-1", "%00", "()"]
    )
    door = random.choice(MODEL_ROUTES)
    request = ask(door[0], door[1].format("shade"))
    return Request(request.method, request.path, request.body, {**request.headers, name: value})


def _bad_key(random: Random) -> Request:
    method, path = random.choice([*MODEL_ROUTES, ("GET", "/jobs/{}"), ("GET", "/v2/health/ready"), ("POST", "/jobs")])
    request = ask(method, path.format("shade"))
    key = random.choice([None, "", " ", "plane-key2", "PLANE-KEY", "null", "a" * 4000, "\xff", "' or 1=1", "Bearer x"])
    return Request(request.method, request.path, request.body, request.headers, key=key)


ANY_NAME = "name_invalid model_not_found route_not_found"
CLASSES: list[BadInput] = [
    bad("model_name_not_allowed", _odd_model, ANY_NAME),
    bad("model_unknown", _unknown_model, "model_not_found"),
    bad("version_or_label_not_allowed", _odd_version, ANY_NAME, can_be_good=True),
    bad(
        "route_unknown",
        _unknown_route,
        "route_not_found request_invalid model_not_found json_invalid name_invalid media_type_unsupported",
        can_be_good=True,
    ),
    bad("method_of_no_route", _other_method, "route_not_found"),
    bad("query_odd", _odd_query, "request_invalid field_not_allowed", can_be_good=True),
    bad(
        "headers_odd",
        _odd_headers,
        "media_type_unsupported content_encoding_invalid request_invalid json_invalid "
        "image_format_unsupported tensor_name_unknown not_acceptable idempotency_mismatch",
        can_be_good=True,
    ),
    bad("key_missing_or_unknown", _bad_key, "auth_invalid"),
]
