"""Paths below the API's address, and references to them that a client can follow, wherever the API is served."""

from typing import Any
from urllib.parse import urljoin

import pytest

from lambent.runtime.http_event import HttpEvent

# What API Gateway puts into an event for one request: where it is served, `path`, `requestContext.path`.
# localstack/localstack#12296 lists them as AWS gives them.
PLACES = {
    "awss_own_address": ("https://id.execute-api.eu-west-1.amazonaws.com/dev", "{own}", "/dev{own}"),
    "custom_domain": ("https://api.example.com", "{own}", "{own}"),
    "custom_domain_with_base_path": ("https://api.example.com/ml", "/ml{own}", "/ml{own}"),
    "base_path_of_two_segments": ("https://api.example.com/ml/v2", "/ml/v2{own}", "/ml/v2{own}"),
    "base_path_as_a_route_of_ours": ("https://api.example.com/jobs", "/jobs{own}", "/jobs{own}"),
    "custom_domain_that_leaves_the_stage_to_the_client": ("https://api.example.com/dev", "/dev{own}", "/dev{own}"),
    "sam_local": ("http://127.0.0.1:3000", "{own}", "{own}"),
}
# resource, path parameters, the path as the client wrote it, and decoded
REQUESTS = {
    "no_parameter": ("/jobs", None, "/jobs", "/jobs"),
    "root": ("/", None, "/", "/"),
    "parameter": ("/jobs/{id}/retry", {"id": "a"}, "/jobs/a/retry", "/jobs/a/retry"),
    "encoded": ("/models/{model}/predict", {"model": "a b"}, "/models/a%20b/predict", "/models/a b/predict"),
    "value_that_looks_like_a_parameter": (
        "/models/{model}/versions/{version}",
        {"model": "{version}", "version": "1"},
        "/models/%7Bversion%7D/versions/1",
        "/models/{version}/versions/1",
    ),
    "encoded_slash": ("/jobs/{id}", {"id": "a/b"}, "/jobs/a%2Fb", "/jobs/a/b"),
    "proxy": ("/v1/{proxy+}", {"proxy": "models/m:predict"}, "/v1/models/m%3Apredict", "/v1/models/m:predict"),
    "proxy_with_the_stages_name": ("/v2/{proxy+}", {"proxy": "dev/v2"}, "/v2/dev/v2", "/v2/dev/v2"),
}


def event(request: str, place: str) -> dict[str, Any]:
    resource, parameters, written, _ = REQUESTS[request]
    _, path, whole = PLACES[place]
    return {
        "resource": resource,
        "pathParameters": parameters,
        "path": path.format(own=written),
        "httpMethod": "POST",
        "requestContext": {"path": whole.format(own=written)},
    }


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_path_is_known_below_whatever_address_the_api_has(request_: str, place: str) -> None:
    assert HttpEvent(event(request_, place)).path == REQUESTS[request_][3]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_reference_leads_back_to_the_api_wherever_it_is_served(request_: str, place: str) -> None:
    base = PLACES[place][0]

    reference = HttpEvent(event(request_, place)).address_of("/jobs/new")

    assert urljoin(base + REQUESTS[request_][2], reference) == f"{base}/jobs/new"
