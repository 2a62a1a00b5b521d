"""A client that asks whether an answer is an error takes a redirect, which has done nothing, for a success."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("layers", "functions") for path in (ROOT / folder).rglob("*.py"))
ASKS_FOR_ERRORS = re.compile(r"\.is_error\b|\.is_client_error\b|\bstatus(_code)?\s*(>=|>|<)\s*(400|399)\b")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_answers_are_held_to_success_and_not_to_the_absence_of_an_error(path: Path) -> None:
    assert not ASKS_FOR_ERRORS.search(path.read_text())
