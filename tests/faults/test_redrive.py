"""Dead letters of all kinds leave one failure each, and after a redrive that comes twice at times one outcome each."""

from __future__ import annotations

import os

from chance import SEED

from redrive_run import run

LETTERS = int(os.environ.get("LAMBENT_FAULTS_DEAD_LETTERS", "150"))


def test_every_dead_letter_has_one_failure_and_after_a_redrive_one_outcome() -> None:
    told = run(letters=LETTERS, seed=SEED)

    recorded, redriven = told["recorded"], told["redriven"]
    assert isinstance(recorded, dict), told
    assert isinstance(redriven, dict), told
    assert (recorded["lost"], recorded["double"], recorded["results"]) == (0, 0, 0), told
    assert recorded["failures"] + recorded["ended"] == LETTERS, told
    # An upload has its result after all; the end of a job is final, whatever comes after it.
    assert (redriven["lost"], redriven["double"], redriven["failures"]) == (0, 0, 0), told
    assert (redriven["results"], redriven["ended"]) == (recorded["failures"], recorded["ended"]), told
    assert redriven["succeeded"] == 0, told
