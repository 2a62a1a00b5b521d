"""Results that outlive a soak: a line of JSON for each unit that ended, and the table that is made from them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rows import ROOT, ROWS

FILE, TABLE = "results.jsonl", "results.md"
_MINE = f":(exclude)tests/soak/{FILE}", f":(exclude)tests/soak/{TABLE}"
_CHANGED = "+changes"


@dataclass(frozen=True)
class Result:
    """One unit that ran.

    Parameters
    ----------
    row, unit   names
    commit      the last one that changed more than results; with ``+changes`` if the tree had others on top
    date        UTC, when it ended
    seconds     it took
    numbers     of what was done
    wrong       counts of what must not be, each with its name
    """

    row: str
    unit: str
    commit: str
    date: str
    seconds: int
    numbers: dict[str, int]
    wrong: dict[str, int]

    @property
    def is_kept(self) -> bool:
        """Whether the promise held."""
        return not any(self.wrong.values())


def this_commit() -> str:
    """Return what is tried: a commit that only adds results is the one before."""
    commit = _git("log", "-1", "--format=%h", "--", ".", *_MINE)
    return commit + (_CHANGED if _git("status", "--porcelain", "--", ".", *_MINE) else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def read(folder: Path) -> list[Result]:
    """Return all results that there are, the oldest first."""
    file = folder / FILE
    return [Result(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def last_of(results: Iterable[Result], *, commit: str) -> dict[tuple[str, str], Result]:
    """Return each unit's last result of a commit; of a changed tree there is none, since nobody knows which."""
    if commit.endswith(_CHANGED):
        return {}
    return {(each.row, each.unit): each for each in results if each.commit == commit}


def add(folder: Path, result: Result) -> None:
    """Keep a result, and make the table anew."""
    with (folder / FILE).open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
    (folder / TABLE).write_text(table(read(folder)))


def table(results: Iterable[Result]) -> str:
    """Return a markdown table with the last result of each unit, whatever commit it is of."""
    last = {(each.row, each.unit): each for each in results}
    order = {row.name: place for place, row in enumerate(ROWS)}
    shown = sorted(last.values(), key=lambda each: (order.get(each.row, len(order)), _number(each.unit), each.unit))
    lines = [
        "Made by `make soak`; each line is the last run of its unit. A promise held where all that is wrong is zero.",
        "",
        "| row | unit | done | wrong | s | commit | date (UTC) |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_line, shown)]) + "\n"


def _line(result: Result) -> str:
    done, wrong = (
        ", ".join(f"{name} {count:,}" for name, count in each.items()) for each in (result.numbers, result.wrong)
    )
    told = wrong if result.is_kept else f"**{wrong}**"
    return f"| {result.row} | {result.unit} | {done} | {told} | {result.seconds:,} | {result.commit} | {result.date} |"


def _number(unit: str) -> int:
    return int(unit.split()[1])
