"""A request for every route of the API's document that is right in all but what a test changes.

A route that the document has and that cannot be asked for here is a KeyError: say what its body is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from typing import Any

from builders import picture
from lambent_toolkit.openapi.document import build_document

METHODS = ("get", "post", "put", "patch", "delete")
JSON, PNG = {"content-type": "application/json"}, {"content-type": "image/png"}
NAMES = {"model": "shade", "version": "1", "versionOrLabel": "1", "label": "live", "id": "none"}
_TENSOR = {"name": "image", "shape": [1, 2, 2, 1], "datatype": "FP32", "data": [0.5] * 4}
_SHA256 = sha256(b"x").hexdigest()
_ITEM = {"id": "a", "uri": "s3://data/inputs/acme/a"}
_BATCH = {"schema_version": 1, "model": "shade", "lane": "cpu", "input": {"items": [_ITEM]}}
# What a POST sends, by the end of its path.
_BODIES: dict[str, Any] = {
    "/infer": {"inputs": [_TENSOR]},
    ":predict": {"instances": [[[[0.5], [0.5]], [[0.5], [0.5]]]]},
    ":classify": {"examples": [{"image": [0.5] * 4}]},
    ":regress": {"examples": [{"image": [0.5] * 4}]},
    "/index": {},
    "/load": {},
    "/unload": {},
    "/uploads": {"model": "shade", "content_type": "image/png", "sha256": _SHA256},
    "/inputs": {"content_type": "image/png", "sha256": _SHA256, "size_bytes": 1, "name": "a.png"},
    "/jobs": _BATCH,
    "/retry": None,
    "/priority": {"priority": 5},
    "/secret": None,
}  # fmt: skip


@cache
def _paths() -> dict[str, Any]:
    return dict(build_document()["paths"])


def routes() -> Iterator[tuple[str, str]]:
    """Yield (method, path) of all routes of the document."""
    for path, item in _paths().items():
        yield from ((method, path) for method in item if method in METHODS)


def scopes_of(method: str, path: str) -> set[str]:
    """Return the scopes that the document gives a route; none for one that needs no key."""
    return {name for each in _paths()[path][method]["security"] for name in each["ApiKey"]}


def function_of(method: str, path: str) -> str:
    """Return the function that serves a route."""
    is_predicted = path.startswith(("/v1", "/v2")) or path == "/" or (method == "post" and path.startswith("/models"))
    return "predict" if is_predicted else "jobs"


Answer = tuple[int, bytes, dict[str, str]]


def ask(functions: Any, method: str, path: str, *, key: str, accept: str | None = None, **names: str) -> Answer:
    """Send the request of a route; return status, body and headers.

    Parameters
    ----------
    key     id of an API key
    names   path parameters, where they are not those of `NAMES`
    """
    # An operator may unload a model: not the one that all others ask for.
    known = {**NAMES, "model": "nobody"} if path.endswith(("/load", "/unload")) else NAMES
    body, headers = _body(method, path)
    if accept is not None:
        headers = {**headers, "accept": accept}
    function, address = function_of(method, path), path.format(**known | names)
    answer: Answer = functions.http_bytes(function, method.upper(), address, body, key=key, headers=headers)
    return answer


def _body(method: str, path: str) -> tuple[bytes, dict[str, str]]:
    if method == "post" and path.endswith("/predict"):
        return picture(0), PNG
    sent = _BODIES[next(end for end in _BODIES if path.endswith(end))] if method == "post" else None
    return (b"", {}) if sent is None else (json.dumps(sent).encode(), JSON)
