"""Which function answers which path, read from the API's OpenAPI body."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.gateway_mock import MockAnswer, read_mock

INTEGRATION = "x-amazon-apigateway-integration"
FUNCTION_NAME = re.compile(r":function:(?P<name>[^/:]+)(?:[:/]|$)")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}
ANY = "X-AMAZON-APIGATEWAY-ANY-METHOD"


@dataclass(frozen=True)
class Route:
    """One method of one path: the function that answers it, or the answer itself."""

    resource: str
    function_name: str
    needs_key: bool
    mock: MockAnswer | None = None


@dataclass(frozen=True)
class Match:
    """A route and the decoded values of its path parameters."""

    route: Route
    path_parameters: dict[str, str]


@dataclass
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    parameter: tuple[str, _Node] | None = None
    proxy: tuple[str, _Node] | None = None
    methods: dict[str, Route] = field(default_factory=dict)


class Routes:
    """Finds the most specific route: fixed text before {parameter}, before {proxy+}, segment by segment.

    Parameters
    ----------
    body : dict    OpenAPI body of the RestApi, with the translator's integrations

    Raises
    ------
    BrokenTemplate   a method is neither a Lambda proxy integration nor a mock with one fixed answer
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._root = _Node()
        self.all: list[tuple[str, Route]] = []  # (method, route)
        for path, item in body.get("paths", {}).items():
            for method, operation in item.items():
                if method.lower() in METHODS:
                    self._add(path, method.upper(), _route(path, method, operation, body))

    def _add(self, path: str, method: str, route: Route) -> None:
        node = self._root
        for segment in _segments(path):
            node = _step(node, segment)
        node.methods[method] = route
        self.all.append((method, route))

    def find(self, method: str, raw_path: str) -> Match | None:
        """Return the route of a request, or None.

        Parameters
        ----------
        method : str      upper case
        raw_path : str    percent-encoded, without the query
        """
        values: dict[str, str] = {}
        route = _find(self._root, _segments(raw_path), method, values)
        return Match(route, values) if route else None


def _route(path: str, method: str, operation: dict[str, Any], body: dict[str, Any]) -> Route:
    integration = operation.get(INTEGRATION, {})
    security = operation.get("security", body.get("security", []))
    needs_key = any("api_key" in each for each in security)
    if integration.get("type") == "mock":
        return Route(path, "", needs_key, read_mock(integration, f"{method.upper()} {path}"))
    name = FUNCTION_NAME.search(str(integration.get("uri", "")))
    if integration.get("type") != "aws_proxy" or name is None:
        raise BrokenTemplate(f"{method.upper()} {path}: only Lambda proxy and mock integrations run locally")
    return Route(path, name.group("name"), needs_key)


def _segments(path: str) -> list[str]:
    trimmed = path.strip("/")
    return trimmed.split("/") if trimmed else []


def _step(node: _Node, segment: str) -> _Node:
    if segment.startswith("{") and segment.endswith("+}"):
        node.proxy = node.proxy or (segment[1:-2], _Node())
        return node.proxy[1]
    if segment.startswith("{"):
        node.parameter = node.parameter or (segment[1:-1], _Node())
        return node.parameter[1]
    return node.children.setdefault(segment, _Node())


def _find(node: _Node, segments: list[str], method: str, values: dict[str, str]) -> Route | None:
    if not segments:
        return node.methods.get(method) or node.methods.get(ANY)
    head, rest = segments[0], segments[1:]
    if head in node.children and (route := _find(node.children[head], rest, method, values)):
        return route
    if node.parameter and (route := _find(node.parameter[1], rest, method, values)):
        values[node.parameter[0]] = unquote(head)
        return route
    if node.proxy:
        values[node.proxy[0]] = unquote("/".join(segments))
        return node.proxy[1].methods.get(method) or node.proxy[1].methods.get(ANY)
    return None
