"""Soaks of services on a store, whose functions the suite runs at small numbers.

    .venv/bin/python tests/soak/soak_parts.py redrive --seed 1
    .venv/bin/python tests/soak/soak_parts.py resume --seed 1 --jobs 50

Prints one line of JSON; ends with 1 if a promise broke.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from told import tell

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]
# Of the processes that are killed, which import the same.
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])

from killing import killing  # noqa: E402 - it lies with the tests
from resuming import resume  # noqa: E402 - likewise
from stored_world import open_world, publish_shade, stored  # noqa: E402 - likewise

import redrive_run  # noqa: E402 - likewise


def redrive(options: argparse.Namespace) -> dict[str, Any]:
    """Let messages of all kinds die, record them, and deliver them again, a fifth of them twice."""
    told = redrive_run.run(letters=options.letters, seed=options.seed)
    recorded, redriven = told["recorded"], told["redriven"]
    assert isinstance(recorded, dict)
    assert isinstance(redriven, dict)
    return {
        "numbers": {
            "letters": options.letters,
            "delivered": told["delivered"],
            "results": redriven["results"],
            "ended": redriven["ended"],
        },
        "wrong": {
            "lost": recorded["lost"] + redriven["lost"],
            "double": recorded["double"] + redriven["double"],
            "untold": options.letters - recorded["failures"] - recorded["ended"],
            "not redone": options.letters - redriven["results"] - redriven["ended"],
        },
    }


def resume_jobs(options: argparse.Namespace) -> dict[str, Any]:
    """Kill containers of jobs at random, and cut checkpoints; compare the bytes."""
    with stored() as environment, TemporaryDirectory() as folder:
        publish_shade(open_world())
        with killing(environment, Path(folder)) as processes:
            told = resume(
                open_world(),
                processes,
                jobs=options.jobs,
                shards=options.shards,
                items=options.items,
                kills=options.kills,
                torn=options.torn,
                seed=options.seed,
            )
    return {
        "numbers": {
            "jobs": options.jobs,
            "shards": options.jobs * options.shards,
            "killed": told["killed"],
            "torn": told["torn"],
            "computed again": told["computed_again"],
            "allowed": told["allowed_again"],
        },
        "wrong": {
            "other bytes": len(told["other_bytes"]),
            "incomplete": len(told["incomplete"]),
            "too much again": int(told["computed_again"] > told["allowed_again"]),
            "nothing killed": int(options.kills > 0 and told["killed"] == 0),
        },
    }


def main() -> int:
    """Run one part."""
    parts: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {"redrive": redrive, "resume": resume_jobs}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=sorted(parts))
    parser.add_argument("--told", type=Path, help="gets the line of JSON, too")
    numbers = {"seed": 1, "letters": 1000, "jobs": 50, "shards": 50, "items": 200, "kills": 20, "torn": 1000}
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    return tell(parts[options.part](options), options.told)


if __name__ == "__main__":
    sys.exit(main())
