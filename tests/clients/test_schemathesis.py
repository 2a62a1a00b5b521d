"""schemathesis: requests made up from the document, and answers held against it."""

from __future__ import annotations

import hypothesis
import schemathesis
from door import ROOT, Door, fuzz_seed
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
# What a route's variants answer is the route's own doing; their paths are the examples' business.
schema = schemathesis.openapi.from_path(ROOT / "functions/jobs/openapi.json").exclude(
    lambda context: "x-variant-of" in context.operation.definition.raw
)


@schema.parametrize()
@hypothesis.seed(fuzz_seed())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_the_document_says(case: schemathesis.Case, door: Door) -> None:
    case.call_and_validate(base_url=door.url, headers=door.headers, checks=CHECKS)
