"""Who may look into which index of the table: whoever goes on with a job has to see its tenant's others."""

from __future__ import annotations

import pytest
from role_rights import TABLE, principal_of, roles_of
from template_expanded import WITH_GPU, WITHOUT_GPU, expand, read_source

from lambent_toolkit.sandbox.iam.judge import decide
from lambent_toolkit.sandbox.iam.question import Question

INDEXES = ("OpenJobs", "TenantJobs")
# Shards are sent by who submits, runs or plans them, and by the sweep after a dead one: all share a tenant's places.
MAY = {
    "JobsRole": {"TenantJobs"},
    "InferRole": {"TenantJobs"},
    "DispatchRole": {"TenantJobs"},
    "SweepRole": {"OpenJobs", "TenantJobs"},
    # Versions are retired that no open job needs.
    "PublisherPolicy": {"OpenJobs"},
}


@pytest.mark.parametrize("parameters", [WITH_GPU, WITHOUT_GPU], ids=["gpu", "cpu"])
def test_each_role_queries_the_indexes_that_it_needs_and_no_other(parameters: dict[str, str]) -> None:
    roles = roles_of(expand(read_source(), parameters))

    found = {
        name: {
            index
            for index in INDEXES
            if decide(principal_of(name, role), Question("dynamodb:Query", f"{TABLE}/index/{index}")).is_allowed
        }
        for name, role in roles.items()
    }

    assert {name: indexes for name, indexes in found.items() if indexes} == MAY
