"""The whole document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lambent
from lambent_toolkit.openapi import (
    routes_changes,
    routes_job_reads,
    routes_jobs,
    routes_media,
    routes_oip,
    routes_repository,
    routes_tfs,
    routes_uploads,
    routes_webhooks,
)
from lambent_toolkit.openapi.error_answers import error_examples
from lambent_toolkit.openapi.parameters import HEADERS, PARAMETERS
from lambent_toolkit.openapi.route import Route
from lambent_toolkit.openapi.schemas import schemas

_DESCRIPTION = """AI models behind one HTTP door. Call them as a person does ([Prediction](#tag/prediction)), or with
the clients of other servers: Open Inference Protocol (Triton, KServe) and TensorFlow Serving.

**Key.** Send your API key as `x-api-key` with every request. A key has scopes: `predict`, `jobs`, `operator`.

**Errors.** Each has the same body, whatever the route: see [Problem](#schema/Problem). `code` is stable and for
programs, `detail` says what to change. The first of these that fails decides: key, size, type, form, rights, quota. A
path or method that this document does not have is 404 `route_not_found`.

**Paths** in bodies (`path`, `result`, `results`) are below the address of this API; `Location` and `Link` are
references from the address of the request (RFC 3986), which a client follows as they are.

**Web pages.** If the stack declares their origins, pages may call every route, without credentials but with the key:
keep it out of pages that you do not serve to its owner alone.

**Limits.** Bodies up to 4,650,000 bytes, answers within 29 seconds."""
_TAGS = (
    routes_media.TAG,
    routes_oip.TAG,
    routes_tfs.TAG,
    routes_uploads.TAG,
    routes_job_reads.JOBS,
    routes_webhooks.WEBHOOKS,
    routes_jobs.REGISTRY,
    routes_jobs.DOCUMENT,
)
_PREDICTIONS = (routes_media, routes_oip, routes_repository, routes_tfs)
_MODULES = (*_PREDICTIONS, routes_uploads, routes_jobs, routes_changes, routes_webhooks)


def routes() -> Iterator[Route]:
    """Yield every route of the HTTP door."""
    for module in _MODULES:
        yield from module.routes()


def build_document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document as a JSON object."""
    paths: dict[str, Any] = {}
    bodies: dict[str, Any] = {}
    for route in routes():
        if route.body is not None:
            bodies[route.body_name] = route.body
        paths.setdefault(route.path, {})[route.method] = route.to_operation()
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Lambent",
            "version": lambent.__version__,
            "summary": "Serverless AI models as a service",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to this document, which lies beside the routes under whatever stage or domain.
        "servers": [{"url": "./", "description": "Where this document came from"}],
        "security": [{"ApiKey": []}],
        "tags": list(_TAGS),
        "paths": paths,
        "webhooks": routes_webhooks.webhooks(),
        "components": {
            "schemas": schemas(),
            "parameters": PARAMETERS,
            "requestBodies": bodies,
            "headers": HEADERS,
            "examples": error_examples(),
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }
