"""No two tests draw from one generator of chance: what each draws is its own, whoever ran before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared_chance_rules import find_shared_chance

TESTS = Path(__file__).parents[1]


def test_each_test_has_chance_of_its_own() -> None:
    files = [file.relative_to(TESTS) for file in sorted(TESTS.rglob("test_*.py"))]
    files += [file.relative_to(TESTS) for file in sorted(TESTS.rglob("conftest.py"))]
    # Hidden folders hold what was built, of others' code too.
    own = [file for file in files if not any(part.startswith(".") for part in file.parts)]

    sources = {file: (TESTS / file).read_text() for file in own}
    shared = [f"tests/{file}:{each.line}: {each.name}" for file in own for each in find_shared_chance(sources[file])]

    assert len(own) > 100
    assert shared == [], "Make it in the test, or in a fixture of each test's own, of a seed that is printed."


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("R = random.Random(3)\ndef test():\n    R.random()", ["R"]),
        ("R: Random = Random(SEED)\ndef helper():\n    return R.choice([1])", ["R"]),
        ("R = np.random.default_rng(3)\nact = lambda: R.normal()", ["R"]),
        ("@fixture(scope='module')\ndef chance():\n    return Random(12)", ["chance"]),
        ("@pytest.fixture(scope='session')\ndef chance():\n    yield np.random.default_rng(1)", ["chance"]),
    ],
    ids=["of a module", "annotated", "in a lambda", "a module's fixture", "a session's fixture"],
)
def test_what_several_tests_draw_from_is_found(source: str, found: list[str]) -> None:
    assert [each.name for each in find_shared_chance(source)] == found


@pytest.mark.parametrize(
    "source",
    [
        "R = np.random.default_rng(3)\nROWS = R.normal(size=5)\ndef test():\n    use(ROWS)",
        "R = Random(3)\n@mark.parametrize('n', [R.random()])\ndef test(n, m=R.random()):\n    use(n)",
        "def test():\n    chance = Random(3)\n    chance.random()",
        "@pytest.fixture\ndef chance():\n    return Random(12)",
        "@fixture(scope='module')\ndef seed():\n    return int(default_rng().integers(9))",
        "SEED = 3\ndef test():\n    Random(SEED).random()",
    ],
    ids=["drawn at import", "drawn for a parameter", "a test's own", "a test's fixture", "a seed", "of a seed"],
)
def test_what_each_test_has_for_itself_is_not(source: str) -> None:
    assert find_shared_chance(source) == []
