"""One method of one path, as its routes module describes it and as OpenAPI writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lambent.errors import LambentError
from lambent_toolkit.openapi.error_answers import error_responses
from lambent_toolkit.openapi.route_scopes import OPEN, ROUTE_SCOPES, security_of

_PATH_PARAMETER = re.compile(r"{(\w+)}")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation.

    Parameters
    ----------
    operation_id     unique; clients are generated with it as a method's name
    method, path     lower case; path parameters as {name}
    tag, summary, description
    parts            path parameter -> name in components.parameters, where it has another one
    parameters       names in components.parameters of what is not in the path
    body             OpenAPI request body, or None
    variant_of       operation_id of the route that this one only addresses differently; it shares that one's body
    answers          status -> OpenAPI response, of what is no error
    errors           what the route may refuse with, beyond what every route may
    samples          {lang, label, source}: what to paste
    """

    operation_id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[str] = ()
    body: Mapping[str, Any] | None = None
    variant_of: str = ""
    answers: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    errors: Sequence[type[LambentError]] = ()
    samples: Sequence[Mapping[str, str]] = ()

    @property
    def is_open(self) -> bool:
        """Whether it answers without an API key."""
        return ROUTE_SCOPES[self.method, self.path] == OPEN

    @property
    def body_name(self) -> str:
        """Name of the body in components.requestBodies."""
        return self.variant_of or self.operation_id

    def to_operation(self) -> dict[str, Any]:
        """Return the OpenAPI operation object."""
        in_path = [self.parts.get(name, name) for name in _PATH_PARAMETER.findall(self.path)]
        names = [*in_path, *self.parameters]
        failures = error_responses(self.errors, is_open=self.is_open, has_body=self.body is not None)
        operation: dict[str, Any] = {
            "operationId": self.operation_id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
            "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names],
            "requestBody": self.body and {"$ref": f"#/components/requestBodies/{self.body_name}"},
            "responses": {str(status): answer for status, answer in sorted({**self.answers, **failures}.items())},
            "security": security_of(self.method, self.path),
            "x-variant-of": self.variant_of,
            "x-codeSamples": [dict(sample) for sample in self.samples],
        }
        return {key: value for key, value in operation.items() if value or key == "security"}


def with_versions(route: Route, *, after: str, kinds: Sequence[str] = ("version", "label")) -> Iterator[Route]:
    """Yield the route, and once more for each way to choose a version in its path.

    Parameters
    ----------
    after    the part of the path behind which the choice stands, e.g. ``{model}``
    kinds    ``version`` (/versions/{version}), ``label`` (/labels/{label}), ``versionOrLabel`` (/versions/{…})
    """
    yield route
    for kind in kinds:
        folder = "labels" if kind == "label" else "versions"
        spoken = {"version": "of a version", "label": "of a label", "versionOrLabel": "of a version or label"}[kind]
        yield replace(
            route,
            operation_id=f"{route.operation_id}_of_{'label' if kind == 'label' else 'version'}",
            path=route.path.replace(after, f"{after}/{folder}/{{{kind}}}", 1),
            summary=f"{route.summary}, {spoken}",
            description=f"As [{route.method.upper()} {route.path}](#operation/{route.operation_id}), {spoken}.",
            samples=(),
            variant_of=route.operation_id,
        )
