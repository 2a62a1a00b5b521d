"""Which promise the soak holds at which numbers, by which commands: a row a promise, one unit of it at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOAK = ROOT / "tests" / "soak"
MakeUnits = Callable[[str, Sequence[int]], list["Unit"]]
KINDS = ("exception", "segv", "fpe", "kill", "hang", "exit0")


@dataclass(frozen=True)
class Unit:
    """What is run, kept and gone on from as a whole.

    Parameters
    ----------
    row       of the promise, P1 for instance
    name      which part of the row it is: its seed, and its kind if the row has several
    command   to run in the project's root
    seed      for tests, which read it from the environment
    is_test   whether pytest runs it; all others write one line of JSON, as `told.py` says
    """

    row: str
    name: str
    command: tuple[str, ...]
    seed: int
    is_test: bool


@dataclass(frozen=True)
class Row:
    """A promise and what shows it.

    Parameters
    ----------
    name       as the promises are numbered
    promise    in words, with its numbers
    units      makes the units from the seeds that are asked for
    """

    name: str
    promise: str
    units: MakeUnits


def _program(file: str, *options: str, kinds: Sequence[str] = ("",), is_each_seed: bool = False) -> MakeUnits:
    """Return what makes a unit a seed and kind; ``{kind}`` in an option is replaced by it."""

    def units(row: str, seeds: Sequence[int]) -> list[Unit]:
        return [
            Unit(
                row=row,
                name=f"seed {seed} {kind}".strip(),
                command=(
                    sys.executable,
                    str(SOAK / file),
                    *(each.format(kind=kind) for each in options),
                    f"--seed={seed}",
                ),
                seed=seed,
                is_test=False,
            )
            for seed in (seeds if is_each_seed else seeds[:1])
            for kind in kinds
        ]

    return units


def _test(path: str) -> MakeUnits:
    def units(row: str, seeds: Sequence[int]) -> list[Unit]:
        pytest = str(Path(sys.executable).with_name("pytest"))
        command = (pytest, str(ROOT / "tests" / path), "-q", "--timeout=0", f"--randomly-seed={seeds[0]}")
        return [Unit(row=row, name=f"seed {seeds[0]}", command=command, seed=seeds[0], is_test=True)]

    return units


_UNBROKEN = ("--kill=0", "--throttle=0", "--timeout=0", "--api-5xx=0", "--freeze-s=0", "--duplicates=0")

# The cheap ones first.
ROWS = (
    Row("P8", "all 5,040 orders of a job's states, and 5,000 runs by chance", _test("faults/test_job_states.py")),
    Row("P13", "3 tenants by every route by every kind of id", _test("unit/test_tenants_at_every_route.py")),
    Row("P23", "messages, rows and objects of released versions, both ways", _test("faults/test_released.py")),
    Row("P5", "1,000 dead letters, a fifth redriven twice: 1,000 outcomes", _program("soak_parts.py", "redrive")),
    Row("P18", "5,000 mixed requests in one warm process", _test("faults/test_warm_reuse.py")),
    Row("P3", "1,000 keys by 8 racers, at every route that takes a key", _program("soak_keys.py", "--keys=1000")),
    Row("P19", "8 callers by 10,000: the bytes that one alone gets", _program("soak_serving.py", "--part=callers")),
    Row("P12", "20,000 requests, 200 moves, dying publishers", _program("soak_serving.py", "--part=labels")),
    Row(
        "P6", "50 jobs of 50 shards of 200 items, 20 kills; 1,000 torn checkpoints", _program("soak_parts.py", "resume")
    ),
    Row(
        "P4",
        "500 batches of ten with one poison, by 6 kinds: 4,500 good results a kind, one extra execution at most",
        _program("soak_requests.py", *_UNBROKEN, "--poison=0.1", "--requests=5000", "--kinds={kind}", kinds=KINDS),
    ),
    Row(
        "P1",
        "20 seeds of 10,000 requests under all faults: one outcome each, less than 10 min a seed",
        _program("soak_requests.py", "--requests=10000", is_each_seed=True),
    ),
)


def chosen_units(names: Sequence[str], seeds: Sequence[int]) -> list[Unit]:
    """Return the units of the named rows, of all rows without a name, in the order of `ROWS`.

    Raises
    ------
    ValueError   there is no such row
    """
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        raise ValueError(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in ROWS)}")
    return [unit for row in ROWS if not names or row.name in names for unit in row.units(row.name, seeds)]
