"""No name is defined twice in one module: the second would silently stand for both, as where two branches meet."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("functions", "layers", "tests")
TWICE = "def f(): ...\ndef f(): ...\nclass A:\n    def g(self): ...\n    def g(self): ...\n"


def definitions(module: ast.Module) -> Counter[str]:
    """Count the functions and classes of a module and of its classes; what is decorated may belong to one property."""
    found = Counter[str]()
    for scope in ast.walk(module):
        if isinstance(scope, ast.Module | ast.ClassDef):
            where = getattr(scope, "name", "")
            found.update(
                f"{where}.{each.name}"
                for each in scope.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not each.decorator_list
            )
    return found


def test_what_is_defined_twice_is_found() -> None:
    assert [name for name, count in definitions(ast.parse(TWICE)).items() if count > 1] == [".f", "A.g"]


def test_no_module_defines_a_name_twice() -> None:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    own = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]

    twice = {
        f"{path.relative_to(ROOT)}{name}"
        for path in own
        for name, count in definitions(ast.parse(path.read_text())).items()
        if count > 1
    }

    assert len(own) > len(FOLDERS)
    assert twice == set()
