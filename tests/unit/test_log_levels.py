"""LogLevel as a function meets it: Lambda's own level beside it, and metrics that must not be lost to either."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
from lambent.runtime.observability import PREDICTIONS, logger, record
for level in ("debug", "info", "warning", "error"):
    getattr(logger, level)(f"at {level}")
record("predicted", {PREDICTIONS: 1})
"""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def lines_of(**environment: str) -> list[dict]:
    """Return what a process of these variables logs; a warning ends it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env={"POWERTOOLS_SERVICE_NAME": "lambent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("level", LEVELS)
def test_a_function_logs_from_the_level_on_that_is_asked_for(level: str) -> None:
    lambdas = "DEBUG" if level == "DEBUG" else "INFO"

    lines = lines_of(POWERTOOLS_LOG_LEVEL=level, AWS_LAMBDA_LOG_LEVEL=lambdas, AWS_LAMBDA_LOG_FORMAT="JSON")

    logged = [line["level"] for line in lines if "_aws" not in line]
    assert logged == list(LEVELS[LEVELS.index(level) :])


@pytest.mark.parametrize("level", LEVELS)
def test_metrics_are_written_at_every_level(level: str) -> None:
    lines = lines_of(POWERTOOLS_LOG_LEVEL=level, AWS_LAMBDA_LOG_LEVEL="INFO" if level != "DEBUG" else "DEBUG")

    assert [line["Predictions"] for line in lines if "_aws" in line] == [1]


def test_outside_of_lambda_info_is_the_level() -> None:
    assert [line["level"] for line in lines_of() if "_aws" not in line] == ["INFO", "WARNING", "ERROR"]
