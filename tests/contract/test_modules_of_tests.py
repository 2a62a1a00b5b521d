"""Test modules can be collected together: folders of tests are no packages, so a name may stand once."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_modules_of_tests_have_one_name() -> None:
    names = Counter(
        path.name for path in TESTS.rglob("test_*.py") if not any(part[0] == "." for part in path.parts[1:])
    )

    assert [name for name, count in names.items() if count > 1] == []
