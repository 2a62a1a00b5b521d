"""Where a test asks whether something of a running stack is at work still: read from its syntax tree.

Work ends by itself. A test that has to see it on its way sees it on a slow machine and misses it on a fast one, or the
other way round, unless the test itself holds the work: a message that it has not sent, a gate in the program that
works. No rule can tell whether it does, so every place is found, and its holder is written down.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

# Of jobs: the product's own states, and AWS Batch's.
ON_THE_WAY = {"QUEUED", "PLANNED", "RUNNING", "SUBMITTED", "PENDING", "RUNNABLE", "STARTING"}


@dataclass(frozen=True)
class Passing:
    """One place.

    Parameters
    ----------
    place : str   function, or class and function; "" outside of any
    state : str   the state that is asked for
    line : int
    """

    place: str
    state: str
    line: int


def find_passing(source: str) -> list[Passing]:
    """Return where a module compares something with a state that passes, or waits for one, in the order of lines."""
    found = {
        Passing(place, state, node.lineno) for place, node in _asking(ast.parse(source), "") for state in _states(node)
    }
    return sorted(found, key=lambda each: (each.line, each.state))


def _asking(parent: ast.AST, place: str) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.iter_child_nodes(parent):
        inner = place
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{place}.{node.name}".lstrip(".")
        elif isinstance(node, ast.Compare):
            yield place, node
        elif isinstance(node, ast.Call) and _name(node.func).startswith("wait"):
            yield from ((place, each) for each in [*node.args, *(word.value for word in node.keywords)])
        yield from _asking(node, inner)


def _states(node: ast.expr) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in ON_THE_WAY:
            yield each.value
        elif isinstance(each, ast.Attribute) and each.attr in ON_THE_WAY:
            yield each.attr


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
