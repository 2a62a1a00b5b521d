"""Where tests draw from one generator of chance: read from a module's syntax tree, nothing is run.

Tests run in any order. What one of them draws from a generator that others draw from too depends on who came before it:
a fixed seed fixes nothing then, and a seed that is printed replays nothing. Found are generators that a module makes
while it is imported and that a function of it uses, and fixtures that hand the same one to several tests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

MAKERS = {"Random", "SystemRandom", "default_rng", "RandomState", "Generator"}
FIXTURE_SCOPES = {"class", "module", "package", "session"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Shared:
    """A generator: by the name that holds it, or by the fixture that hands it out."""

    name: str
    line: int


def find_shared_chance(source: str) -> list[Shared]:
    """Return the generators of a module that several tests may draw from, in the order of lines."""
    tree = ast.parse(source)
    return sorted([*_of_module(tree), *_of_fixtures(tree)], key=lambda each: each.line)


def _of_module(tree: ast.Module) -> Iterator[Shared]:
    made = {name: line for name, value, line in _assigned(tree) if _makes_chance(value)}
    # What decorates a function, and its defaults, are drawn while the module is imported.
    bodies = (each for node in ast.walk(tree) if isinstance(node, FUNCTIONS) for each in _body(node))
    within = (inner for each in bodies for inner in ast.walk(each))
    used = {inner.id for inner in within if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)}
    yield from (Shared(name, line) for name, line in made.items() if name in used)


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else [*node.body]


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr, int]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((each.id, node.value, node.lineno) for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value, node.lineno


def _of_fixtures(tree: ast.Module) -> Iterator[Shared]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(_is_wide(each) for each in node.decorator_list):
            given = [each.value for each in ast.walk(node) if isinstance(each, ast.Return | ast.Yield)]
            if any(each is not None and _makes_chance(each) for each in given):
                yield Shared(node.name, node.lineno)


def _is_wide(decorator: ast.expr) -> bool:
    words = decorator.keywords if isinstance(decorator, ast.Call) else []
    return any(
        word.arg == "scope" and isinstance(word.value, ast.Constant) and word.value.value in FIXTURE_SCOPES
        for word in words
    )


def _makes_chance(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and _last_name(value.func) in MAKERS


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
