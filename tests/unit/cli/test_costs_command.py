"""`lambent costs` prints what the tables hold, and reaches for nothing."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app
from lambent_toolkit.costs.idle import CPU_STACK, GPU_STACK
from lambent_toolkit.costs.tables import growing_rows, idle_rows, ways_rows


@pytest.mark.parametrize("option", [[], ["--gpu"]], ids=["cpu", "gpu"])
def test_costs_prints_each_sum(option: list[str]) -> None:
    stack = GPU_STACK if option else CPU_STACK

    result = CliRunner().invoke(app, ["costs", *option])

    assert result.exit_code == 0
    for row in (*idle_rows(stack), *ways_rows(), *growing_rows()):
        assert row[-1] in result.output
    assert ("ECR" in result.output.partition("List prices")[0]) == bool(option)


def test_costs_names_the_prices_that_nobody_found() -> None:
    result = CliRunner().invoke(app, ["costs"])

    assert "not verified: request of SQS" in result.output
