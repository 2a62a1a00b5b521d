"""All promises at their large numbers, or some: `make soak`, `make soak ROWS="P3 P8" SEEDS="1 2"`.

Each unit (a seed, a kind) that ended is kept in results.jsonl; the next call goes on with what is missing for the same
commit, or failed. Ends with 1 unless every unit that was asked for ran and nothing was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from results import TABLE, Result, add, last_of, read, this_commit
from rows import ROOT, ROWS, SOAK, Unit, chosen_units

_LAST_CHARACTERS = 3_000
_SEED_VARIABLE = "LAMBENT_FAULTS_SEED"


def run_unit(unit: Unit, *, commit: str) -> Result:
    """Run one unit; one that does not tell what it did counts as broken."""
    started_s = time.monotonic()
    with TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        option = f"--junitxml={told}" if unit.is_test else f"--told={told}"
        done = subprocess.run(
            [*unit.command, option],
            cwd=ROOT,
            env={**os.environ, _SEED_VARIABLE: str(unit.seed)},
            capture_output=True,
            text=True,
            check=False,
        )
        numbers, wrong = (_read_tests if unit.is_test else _read_told)(told)
    if done.returncode != 0 and not any(wrong.values()):
        wrong = {**wrong, "ended badly": 1}
    if any(wrong.values()):
        print((done.stdout + done.stderr)[-_LAST_CHARACTERS:], flush=True)
    seconds = round(time.monotonic() - started_s)
    return Result(unit.row, unit.name, commit, f"{datetime.now(UTC):%Y-%m-%d %H:%M}", seconds, numbers, wrong)


def _read_told(file: Path) -> tuple[dict[str, int], dict[str, int]]:
    if not file.exists():
        return {}, {"did not run": 1}
    told = json.loads(file.read_text())
    return told["numbers"], told["wrong"]


def _read_tests(file: Path) -> tuple[dict[str, int], dict[str, int]]:
    suites = list(ElementTree.parse(file).getroot().iter("testsuite")) if file.exists() else []
    counts = {
        name: sum(int(each.get(name, 0)) for each in suites) for name in ("tests", "failures", "errors", "skipped")
    }
    tests = counts.pop("tests")
    return {"tests": tests}, {**counts, "did not run": int(tests == 0)}


def soak(
    units: list[Unit],
    folder: Path,
    *,
    commit: str,
    is_again: bool,
    run: Callable[..., Result] = run_unit,
) -> bool:
    """Run what is missing; return whether all units have a result in which nothing is wrong."""
    known = last_of(read(folder), commit=commit)
    is_kept = True
    for unit in units:
        result = known.get((unit.row, unit.name))
        if result is None or is_again or not result.is_kept:
            print(f"{unit.row} {unit.name} …", flush=True)
            result = run(unit, commit=commit)
            add(folder, result)
        state = "held" if result.is_kept else "BROKEN"
        print(f"{unit.row} {unit.name}: {state}; {result.numbers} wrong {result.wrong}; {result.seconds} s", flush=True)
        is_kept = is_kept and result.is_kept
    return is_kept


def main() -> int:
    """Run the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=[], help=", ".join(row.name for row in ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1], help="P1 takes them all, the others the first")
    parser.add_argument("--again", action="store_true", help="also what has a good result of this commit")
    options = parser.parse_args()
    try:
        units = chosen_units(options.rows, options.seeds)
    except ValueError as error:
        parser.error(str(error))
    commit = this_commit()
    print(f"commit {commit}, {len(units)} units", flush=True)
    is_kept = soak(units, SOAK, commit=commit, is_again=options.again)
    print((SOAK / TABLE).read_text(), end="")
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
