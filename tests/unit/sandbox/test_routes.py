"""Routing as API Gateway does it."""

import pytest

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.routes import Routes

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:{}/invocations"


def operation(function: str, **more: object) -> dict[str, object]:
    return {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": URI.format(function)}, **more}


ROUTES = Routes(
    {
        "paths": {
            "/": {"get": operation("root")},
            "/models": {"get": operation("list")},
            "/models/{model}": {"get": operation("one")},
            "/models/{model}/predict": {"post": operation("predict", security=[{"api_key": []}])},
            "/models/all/predict": {"get": operation("all")},
            "/v2/{proxy+}": {"get": operation("v2"), "x-amazon-apigateway-any-method": operation("v2-any")},
            "/v2/health": {"get": operation("health")},
        }
    }
)


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("GET", "/", "root", {}),
        ("GET", "/models", "list", {}),
        ("GET", "/models/", "list", {}),
        ("GET", "/models/digits", "one", {"model": "digits"}),
        ("GET", "/models/a%20b%2Fc", "one", {"model": "a b/c"}),
        ("POST", "/models/digits/predict", "predict", {"model": "digits"}),
        ("GET", "/models/all/predict", "all", {}),
        ("POST", "/models/all/predict", "predict", {"model": "all"}),
        ("GET", "/v2/health", "health", {}),
        ("GET", "/v2/health/live", "v2", {"proxy": "health/live"}),
        ("PATCH", "/v2/x", "v2-any", {"proxy": "x"}),
    ],
)
def test_most_specific_route_wins(method: str, path: str, function: str, parameters: dict[str, str]) -> None:
    match = ROUTES.find(method, path)

    assert match is not None
    assert (match.route.function_name, match.path_parameters) == (function, parameters)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/models"), ("GET", "/v2"), ("GET", "/models/a/b"), ("GET", "/x")]
)
def test_unknown_path_or_method_matches_nothing(method: str, path: str) -> None:
    assert ROUTES.find(method, path) is None


def test_key_is_needed_where_the_operation_or_the_api_says_so() -> None:
    everywhere = Routes({"security": [{"api_key": []}], "paths": {"/x": {"get": operation("x")}}})

    predict, listing, other = (
        ROUTES.find("POST", "/models/a/predict"),
        ROUTES.find("GET", "/models"),
        everywhere.find("GET", "/x"),
    )

    assert [match.route.needs_key for match in (predict, listing, other) if match] == [True, False, True]


def test_integration_that_is_neither_a_lambda_proxy_nor_a_mock_is_refused() -> None:
    http = {"x-amazon-apigateway-integration": {"type": "http_proxy"}}

    with pytest.raises(BrokenTemplate, match="OPTIONS /x: only Lambda proxy and mock integrations"):
        Routes({"paths": {"/x": {"options": http}}})
