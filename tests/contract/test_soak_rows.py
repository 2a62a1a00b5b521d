"""`make soak`: what is missing is run and kept, what is wrong or did not run fails, and every row can be started."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak"
sys.path.append(str(SOAK))

from results import FILE, TABLE, Result, read, table  # noqa: E402 - it lies with the soak
from rows import ROWS, Unit, chosen_units  # noqa: E402 - likewise

from soak import run_unit, soak  # noqa: E402 - likewise

UNITS = [Unit("P1", f"seed {seed}", (), seed, is_test=False) for seed in (1, 2, 3)]


class Runs:
    """Stands in for programs: notes which unit runs, and tells what it is asked to tell of it."""

    def __init__(self, lost: dict[str, int]) -> None:
        self.ran: list[str] = []
        self._lost = lost

    def __call__(self, unit: Unit, *, commit: str) -> Result:
        self.ran.append(unit.name)
        wrong = {"lost": self._lost.get(unit.name, 0)}
        return Result(unit.row, unit.name, commit, "2026-11-30 09:00", 7, {"requests": 10_000}, wrong)


def test_a_soak_goes_on_with_what_is_missing_or_was_wrong_for_the_same_commit(tmp_path: Path) -> None:
    first, second = Runs({"seed 2": 3}), Runs({})

    was_kept = soak(UNITS[:2], tmp_path, commit="abc", is_again=False, run=first)
    is_kept = soak(UNITS, tmp_path, commit="abc", is_again=False, run=second)

    assert (was_kept, is_kept) == (False, True)
    assert (first.ran, second.ran) == (["seed 1", "seed 2"], ["seed 2", "seed 3"])
    assert [each.unit for each in read(tmp_path)] == ["seed 1", "seed 2", "seed 2", "seed 3"]


@pytest.mark.parametrize(("commit", "is_again"), [("other", False), ("abc", True), ("abc+changes", False)])
def test_another_commit_a_changed_tree_and_whoever_says_so_begin_anew(
    tmp_path: Path, commit: str, is_again: bool
) -> None:
    soak(UNITS, tmp_path, commit=commit.replace("other", "abc"), is_again=False, run=Runs({}))
    again = Runs({})

    assert soak(UNITS, tmp_path, commit=commit, is_again=is_again, run=again)

    assert again.ran == ["seed 1", "seed 2", "seed 3"]


def test_one_broken_unit_does_not_keep_the_others_from_running_and_is_told(tmp_path: Path) -> None:
    runs = Runs({"seed 1": 1})

    assert not soak(UNITS, tmp_path, commit="abc", is_again=False, run=runs)

    assert runs.ran == ["seed 1", "seed 2", "seed 3"]
    shown = (tmp_path / TABLE).read_text()
    assert "| P1 | seed 1 | requests 10,000 | **lost 1** | 7 | abc | 2026-11-30 09:00 |" in shown
    assert "| P1 | seed 2 | requests 10,000 | lost 0 | 7 | abc | 2026-11-30 09:00 |" in shown


@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ("pass", {"did not run": 1}),
        ("raise SystemExit(3)", {"did not run": 1}),
        ("print('{}')", {"did not run": 1}),
        ("{write}; raise SystemExit(1)", {"lost": 0, "ended badly": 1}),
        ("{write}", {"lost": 0}),
    ],
)
def test_what_does_not_tell_or_ends_badly_is_wrong(program: str, wrong: dict[str, int]) -> None:
    told = json.dumps({"numbers": {"requests": 1}, "wrong": {"lost": 0}})
    write = f"import sys; open(sys.argv[1].partition('=')[2], 'w').write({told!r})"
    unit = Unit("P1", "seed 1", (sys.executable, "-c", program.replace("{write}", write)), 1, is_test=False)

    assert run_unit(unit, commit="abc").wrong == wrong


@pytest.mark.parametrize(
    ("test", "numbers", "wrong"),
    [
        ("def test_it(): pass", 1, {}),
        ("def test_it(): assert 0", 1, {"failures": 1}),
        ("import pytest\ndef test_it(): pytest.skip('no time')", 1, {"skipped": 1}),
        ("x = 1", 0, {"did not run": 1}),
        ("raise ValueError", 1, {"errors": 1}),
    ],
)
def test_a_row_of_tests_is_broken_by_one_that_fails_or_does_not_run(
    tmp_path: Path, test: str, numbers: int, wrong: dict[str, int]
) -> None:
    (tmp_path / "test_one.py").write_text(test)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    command = (sys.executable, "-m", "pytest", str(tmp_path / "test_one.py"), "-q", f"--rootdir={tmp_path}")

    result = run_unit(Unit("P8", "seed 1", command, 1, is_test=True), commit="abc")

    assert result.numbers == {"tests": numbers}
    assert {name: count for name, count in result.wrong.items() if count and name != "ended badly"} == wrong
    assert result.is_kept == (not wrong)


def test_every_row_starts_something_that_is_there_once_a_seed_or_a_kind() -> None:
    units = chosen_units([], [1, 2])

    assert {unit.row for unit in units} == {row.name for row in ROWS}
    assert all(Path(unit.command[1]).exists() for unit in units)
    assert len({(unit.row, unit.name) for unit in units}) == len(units)
    assert [unit.name for unit in units if unit.row == "P1"] == ["seed 1", "seed 2"]
    assert [unit.row for unit in chosen_units(["P3", "P8"], [5])] == ["P8", "P3"]
    with pytest.raises(ValueError, match="P99"):
        chosen_units(["P99"], [1])


def test_the_table_that_is_kept_is_made_of_the_results_that_are_kept() -> None:
    assert (SOAK / FILE).exists()
    assert (SOAK / TABLE).read_text() == table(read(SOAK))
