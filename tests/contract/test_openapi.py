"""The OpenAPI document says what the template routes, what the functions answer and what can go wrong; nothing else."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from template_expanded import ROOT, WITH_GPU, expand, read_source

from lambent import errors
from lambent.errors import LambentError
from lambent_toolkit.openapi.document import build_document
from lambent_toolkit.openapi.files import folder, make_files

DOCUMENT = build_document()
OPERATIONS = {
    (method.upper(), path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
# What a request over HTTP cannot end in: queues, uploads after the fact, the registry's writers.
NOT_OVER_HTTP = {
    errors.Interrupted,
    errors.MemoryExhausted,
    errors.OutputExists,
    errors.ShardFailed,
    errors.EnvelopeInvalid,
    errors.EventForeign,
    errors.EventUnknown,  # to whoever asks by another way than this API
    errors.SourceGone,
    errors.SourceChanged,
    errors.VersionImmutable,
    errors.VersionRetired,
    errors.VersionInUse,
    errors.AliasConflict,
    errors.ChecksumMismatch,
    errors.WorkerUnfit,
}
# Never raised themselves; their children are.
FAMILIES = {errors.InvalidInput, errors.NotFound, errors.Conflict, errors.BrokenArtifact}


@cache
def template_routes() -> dict[tuple[str, str], bool]:
    """Return method and path of every route of the template, and whether it needs a key."""
    (api,) = expand(read_source(), WITH_GPU).of_type("ApiGateway::RestApi").values()
    return {
        (method.upper(), path): {"api_key": []} in operation["security"]
        for path, item in api["Body"]["paths"].items()
        for method, operation in item.items()
    }


def routes_of(path: str, method: str) -> list[tuple[str, str]]:
    """Return the template's routes that take such requests."""
    concrete = re.sub(r"{\w+}", "x", path)
    return [
        (verb, template)
        for verb, template in template_routes()
        if verb == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", re.sub(r"{\w+\+}", ".+", template)), concrete)
    ]


_TELL = """
routes = [[each.method, each.path] for each in app._static_routes + app._dynamic_routes]
print(json.dumps(routes + calls))
"""
PROGRAMS = {
    "jobs": f"import json\nfrom app import app\ncalls = []\n{_TELL}",
    # Predictions are found before the resolver is asked.
    "predict": "import json\nfrom call_routes import ROUTES, TFS_PATHS\nfrom other_routes import resolver\n"
    f"app = resolver()\ncalls = [['POST', path] for path in [*ROUTES, TFS_PATHS]]\n{_TELL}",
}


def registered(function: str) -> set[tuple[str, str]]:
    """Return method and path, as a regular expression, of every route that a function's resolver knows."""
    program = PROGRAMS[function]
    home = ROOT / "functions" / function
    environment = {**os.environ, "PYTHONPATH": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=home, env=environment, capture_output=True, text=True, check=True
    )
    return {(method, re.sub(r"<\w+>", "[^/]+", path)) for method, path in json.loads(done.stdout)}


def concrete_errors() -> set[type[LambentError]]:
    kinds = {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, LambentError)}
    return kinds - FAMILIES - NOT_OVER_HTTP


@pytest.mark.parametrize("name", make_files())
def test_the_files_that_are_served_are_fresh(name: str) -> None:
    assert (folder() / name).read_text() == make_files()[name], "run `make openapi`"


def test_the_document_is_valid_openapi_3_1() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


@pytest.mark.parametrize("route", OPERATIONS, ids=" ".join)
def test_every_documented_route_is_in_the_template(route: tuple[str, str]) -> None:
    method, path = route

    assert routes_of(path, method)


@pytest.mark.parametrize("route", template_routes(), ids=" ".join)
def test_every_route_of_the_template_is_documented(route: tuple[str, str]) -> None:
    documented = [found for method, path in OPERATIONS for found in routes_of(path, method)]

    assert route in documented


@pytest.mark.parametrize("route", OPERATIONS, ids=" ".join)
def test_who_needs_a_key_is_as_in_the_template(route: tuple[str, str]) -> None:
    method, path = route

    (is_keyed,) = {template_routes()[found] for found in routes_of(path, method)}

    assert is_keyed is bool(OPERATIONS[route]["security"])


def test_the_functions_answer_what_is_documented_and_nothing_else() -> None:
    documented = {(method, re.sub(r"{\w+}", "x", path)) for method, path in OPERATIONS}
    answered = registered("predict") | registered("jobs")

    met = [
        (asked, route)
        for asked in documented
        for route in answered
        if asked[0] == route[0] and re.fullmatch(route[1], asked[1])
    ]

    assert {asked for asked, _ in met} == documented
    assert {route for _, route in met} == answered


def test_every_code_that_http_can_answer_has_an_example_and_a_route() -> None:
    examples = {example["value"]["code"] for example in DOCUMENT["components"]["examples"].values()}
    used = set(re.findall(r"#/components/examples/error_(\w+)", json.dumps(DOCUMENT["paths"])))

    assert examples == {kind.code for kind in concrete_errors()} | {"rate_limited"}
    # An unknown route belongs to no route.
    assert used == examples - {"route_not_found"}


@pytest.mark.parametrize("route", OPERATIONS, ids=" ".join)
def test_every_route_has_a_summary_a_sample_and_unique_names(route: tuple[str, str]) -> None:
    operation = OPERATIONS[route]
    names = [each["operationId"] for each in OPERATIONS.values()]

    assert operation["summary"]
    assert operation.get("x-variant-of") or operation["x-codeSamples"]
    assert names.count(operation["operationId"]) == 1


def test_all_shared_parts_are_used() -> None:
    used = set(re.findall(r"#/components/(\w+/[\w-]+)", json.dumps(DOCUMENT))) | {"examples/error_route_not_found"}
    there = {
        f"{kind}/{name}"
        for kind, parts in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in parts
    }

    assert there == used


def test_the_page_fetches_nothing_from_anywhere() -> None:
    page = make_files()["docs.html"]
    loads: list[Any] = re.findall(r"<(?:script|img|iframe|link|source)[^>]*(?:src|href)=\"([^\"]*)\"", page)

    assert loads == ["data:,"]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)
