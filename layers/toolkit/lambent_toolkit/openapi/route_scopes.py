"""Which scopes open which route: a key needs one of them. A route without a row here cannot be written down."""

from __future__ import annotations

from lambent.domain.caller import Scope

ANY = tuple(Scope)
OPEN: tuple[Scope, ...] = ()
PREDICT, JOBS, OPERATOR = (Scope.PREDICT,), (Scope.JOBS,), (Scope.OPERATOR,)
# A call for later is a job, which whoever may call may read; of a batch, `jobs` alone reads.
CALLS = (Scope.PREDICT, Scope.JOBS)

# How a model's versions and labels are named in paths, behind {model}.
_V1 = ("", "/versions/{version}", "/labels/{label}")
_V2 = ("", "/versions/{versionOrLabel}")

# (method, path) -> scopes
ROUTE_SCOPES: dict[tuple[str, str], tuple[Scope, ...]] = {
    **{("post", f"/models/{{model}}{choice}/predict"): PREDICT for choice in _V1},
    **{("post", f"/v1/models/{{model}}{choice}:{verb}"): PREDICT
       for choice in _V1 for verb in ("predict", "classify", "regress")},
    **{("post", f"/v2/models/{{model}}{choice}/infer"): PREDICT for choice in _V2},
    **{("get", path): ANY for path in ("/", "/v1/models", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models")},
    **{("get", f"/v1/models/{{model}}{choice}{what}"): ANY for choice in _V1 for what in ("", "/metadata")},
    **{("get", f"/v2/models/{{model}}{choice}{what}"): ANY
       for choice in _V2 for what in ("", "/ready", "/config", "/stats")},
    ("get", "/v2/models/stats"): ANY,
    ("post", "/v2/repository/index"): ANY,
    ("post", "/v2/repository/models/{model}/load"): OPERATOR,
    ("post", "/v2/repository/models/{model}/unload"): OPERATOR,
    ("get", "/models"): ANY,
    ("get", "/models/{model}"): ANY,
    ("get", "/models/{model}/versions/{version}"): ANY,
    ("post", "/uploads"): PREDICT,
    ("get", "/uploads/{id}"): PREDICT,
    ("post", "/inputs"): JOBS,
    ("post", "/jobs"): JOBS,
    ("get", "/jobs"): JOBS,
    ("get", "/jobs/{id}"): CALLS,
    ("delete", "/jobs/{id}"): JOBS,
    ("post", "/jobs/{id}/retry"): JOBS,
    ("post", "/jobs/{id}/priority"): JOBS,
    ("get", "/jobs/{id}/result"): CALLS,
    ("get", "/jobs/{id}/results"): JOBS,
    ("get", "/jobs/{id}/errors"): JOBS,
    ("get", "/webhooks/secret"): JOBS,
    ("post", "/webhooks/secret"): JOBS,
    ("get", "/openapi.json"): OPEN,
    ("get", "/docs"): OPEN,
}  # fmt: skip


def security_of(method: str, path: str) -> list[dict[str, list[str]]]:
    """Return the route's OpenAPI security: one alternative a scope, and none for what is open to everybody.

    The names of scopes stand where OpenAPI 3.1 has role names (4.8.30). Raises KeyError for a route without a row.
    """
    return [{"ApiKey": [scope.value]} for scope in ROUTE_SCOPES[method, path]]
