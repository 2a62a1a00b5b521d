"""The soaks at small numbers, each by a seed that a failing test prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest

from programs import ROOT

SOAK = ROOT / "tests" / "soak"


def soak(program: str, *options: str) -> tuple[int, str]:
    """Run a soak; return its exit status and what it said."""
    done = subprocess.run(
        [sys.executable, str(SOAK / program), *options], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.xdist_group("soak")
def test_every_request_has_one_outcome_whatever_breaks_below(tmp_path: Path) -> None:
    seed = SystemRandom().randrange(1_000_000)
    options = ["--requests", "120", "--freeze-s", "3", "--poison", "0.05"]

    status, said = soak("soak_requests.py", "--seed", str(seed), *options, "--told", str(tmp_path / "told.jsonl"))

    assert status == 0, f"seed {seed}: {said}"
    told: dict[str, Any] = json.loads((tmp_path / "told.jsonl").read_text())
    assert not any(told["wrong"].values()), f"seed {seed}: {told}"
    assert sum(told["fired"].values()) > 0, f"seed {seed}: nothing was broken: {told}"
    assert told["poisonous"], f"seed {seed}: there was no poison"


@pytest.mark.xdist_group("soak")
def test_one_key_is_one_job_at_every_route_that_takes_one_whoever_asks_at_once(tmp_path: Path) -> None:
    seed = SystemRandom().randrange(1_000_000)

    status, said = soak("soak_keys.py", "--seed", str(seed), "--keys", "20", "--told", str(tmp_path / "told.jsonl"))

    assert status == 0, f"seed {seed}: {said}"
    told: dict[str, Any] = json.loads((tmp_path / "told.jsonl").read_text())
    assert not any(told["wrong"].values()), f"seed {seed}: {told}"
