"""Test modules can be collected together: folders of tests are no packages, so a name may stand once."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_no_two_modules_of_tests_have_one_name() -> None:
    modules = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    # Hidden folders hold what was built.
    names = Counter(path.name for path in modules if not any(part.startswith(".") for part in path.parts))

    assert [name for name, count in names.items() if count > 1] == []
