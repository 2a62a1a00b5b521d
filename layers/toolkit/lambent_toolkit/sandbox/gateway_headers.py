"""What API Gateway does to header fields between a client and a Lambda proxy integration.

The table is AWS's own, column Lambda:
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html.
"""

from __future__ import annotations

REMAPPED = "x-amzn-Remapped-"
# Fields of an HTTP connection and not of a message (RFC 9110, 7.6.1), which the table leaves out.
_OF_THE_CONNECTION = {"keep-alive", "proxy-connection"}
_DROPPED_FROM_REQUESTS = _OF_THE_CONNECTION | {
    *("connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te"),
    *("trailer", "upgrade", "www-authenticate"),
}
_DROPPED_FROM_ANSWERS = _OF_THE_CONNECTION | {
    *("expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"),
}
_REMAPPED_IN_ANSWERS = {
    *("authorization", "connection", "content-length", "content-md5", "date", "max-forwards", "server", "user-agent"),
    "www-authenticate",
}

Fields = list[tuple[str, str]]


def of_request(fields: Fields) -> Fields:
    """Return the fields of a request that a function gets to see."""
    return [(name, value) for name, value in fields if name.lower() not in _DROPPED_FROM_REQUESTS]


def of_answer(fields: Fields) -> Fields:
    """Return the fields of a function's answer as the client gets them."""
    return [
        (f"{REMAPPED}{name}" if name.lower() in _REMAPPED_IN_ANSWERS else name, value)
        for name, value in fields
        if name.lower() not in _DROPPED_FROM_ANSWERS
    ]
