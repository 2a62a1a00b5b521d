"""Where a test's outcome would depend on how fast the machine is: read from its syntax tree, nothing is run.

Found are comparisons of what a clock told, in asserts and elsewhere; asserts that compare what was measured; sleeps;
and limits on waits that a busy machine overruns. What holds a clock's reading is followed through names, and through
functions of the same module that return one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CLOCKS = {
    "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "process_time_ns", "thread_time",
    "thread_time_ns", "time_ns", "utcnow", "today",
}  # fmt: skip
# Names that mean a clock only with what stands before them: `time.time()`, `datetime.now()`, `SystemClock().epoch_s()`.
CLOCKS_OF = {"time": {"time"}, "now": {"datetime", "SystemClock"}, "epoch_s": {"SystemClock"}}
MEASURED = re.compile(
    r"(p\d\d|latency|latencies|elapsed|duration|took|throughput|seconds|total_seconds|"
    r"(p\d\d|load|low|high|taken|took|latency|elapsed|wall|cpu|busy)_(ms|s|ns)|\w+_per_s|"
    r"(elapsed|duration|took|taken|wall|cpu|gpu|busy)_\w+|\w+_(latency|duration|throughput|seconds))"
)
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
# What passes a reading on. Of other calls nothing is known: `FakeClock(time.time())` is no reading.
PASSING = {"abs", "float", "int", "max", "min", "round", "sorted", "sum", "approx"}
# Limits in seconds below which a busy machine is late: by the name of a keyword, and by the place of an argument.
LIMIT_NAMES = {"timeout", "patience_s", "total_timeout_s"}
LIMITED_CALLS = {"wait": 0, "join": 0, "result": 0, "settimeout": 0, "wait_for": 1, "timeout": 0}
LEAST_LIMIT_S = 60
LEAST_TEST_S = 600


@dataclass(frozen=True)
class Finding:
    """One place.

    Parameters
    ----------
    place : str   function, or class and function; "" outside of any
    kind : str    clock | measured | sleep | limit
    line : int
    """

    place: str
    kind: str
    line: int


def find_timing(source: str) -> list[Finding]:
    """Return what is found in a module's source, in the order of its lines."""
    tree = ast.parse(source)
    reading = _Readings(tree)
    found = {
        Finding(place, kind, node.lineno)
        for place, scope in _scopes(tree)
        for kind, node in _in_scope(scope, reading.names_in(scope), reading, _constants(tree))
    }
    return sorted(found, key=lambda each: (each.line, each.kind))


def _in_scope(
    scope: ast.AST, told: set[str], reading: _Readings, constants: Mapping[str, float]
) -> Iterator[tuple[str, ast.expr]]:
    for node in _own_nodes(scope):
        if isinstance(node, ast.Assert):
            yield from _in_assert(node.test, told, reading)
        elif isinstance(node, ast.Compare) and _is_ordered(node) and reading.is_told(node, told):
            yield "clock", node
        elif isinstance(node, ast.Call):
            yield from _in_call(node, constants)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _in_program(node)


def _in_assert(test: ast.expr, told: set[str], reading: _Readings) -> Iterator[tuple[str, ast.expr]]:
    compares = [node for node in ast.walk(test) if isinstance(node, ast.Compare)]
    for node in compares:
        if reading.is_told(node, told):
            yield "clock", node
        pairs = zip([node.left, *node.comparators], node.ops, node.comparators, strict=False)
        if any(_compares_measured(*pair) for pair in pairs):
            yield "measured", node


def _compares_measured(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> bool:
    """Look whether an order, or a nearness, is claimed of what was measured; being more than nothing is no claim."""
    if not any(MEASURED.fullmatch(field) for side in (left, right) for field in _fields(side)):
        return False
    if isinstance(operator, ORDERED):
        return not any(isinstance(side, ast.Constant) and side.value == 0 for side in (left, right))
    return any(_is_rough(side) for side in (left, right))


def _is_rough(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func) == "approx" and bool(node.keywords or node.args[1:])


def _fields(node: ast.AST) -> Iterator[str]:
    """Yield the names of what an expression compares: of `a.b["c"].d` only the last one."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield _last_name(node)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        yield node.slice.value
    elif not (isinstance(node, ast.Call) and _last_name(node.func) == "len"):
        for child in ast.iter_child_nodes(node):
            yield from _fields(child)


def _in_call(call: ast.Call, constants: Mapping[str, float]) -> Iterator[tuple[str, ast.expr]]:
    name = _last_name(call.func)
    if name == "sleep" and [_number(each, constants) for each in call.args] != [0]:
        yield "sleep", call
    least_s = LEAST_TEST_S if _dotted(call.func) == "pytest.mark.timeout" else LEAST_LIMIT_S
    limits = [word.value for word in call.keywords if word.arg in LIMIT_NAMES]
    limits += call.args[LIMITED_CALLS[name] :][:1] if name in LIMITED_CALLS else []
    known_s = [seconds for each in limits if (seconds := _number(each, constants)) is not None]
    if any(0 < seconds < least_s for seconds in known_s) or _is_hasty_request(call, name):
        yield "limit", call


def _is_hasty_request(call: ast.Call, name: str) -> bool:
    """Look for httpx without a limit, whose own is five seconds."""
    is_httpx = isinstance(call.func, ast.Attribute) and _last_name(call.func.value) == "httpx"
    is_request = name in {"get", "post", "put", "delete", "head", "options", "patch", "request", "stream", "Client"}
    return is_httpx and is_request and not any(word.arg in {"timeout", "transport", None} for word in call.keywords)


def _in_program(text: ast.Constant) -> Iterator[tuple[str, ast.expr]]:
    """Look into a program that a test starts by its source."""
    if "sleep(" not in text.value:
        return
    try:
        program = ast.parse(text.value)
    except SyntaxError:
        return
    for node in ast.walk(program):
        if isinstance(node, ast.Call) and _last_name(node.func) == "sleep":
            yield "sleep", text


class _Readings:
    """What of a module holds the reading of a clock.

    Parameters
    ----------
    tree : Module
    """

    def __init__(self, tree: ast.Module) -> None:
        self._tellers: set[str] = set()
        # Most modules have no clock, and nothing in them has to be followed.
        self._has_clock = any(isinstance(node, ast.Call) and self._is_clock(node) for node in ast.walk(tree))
        if not self._has_clock:
            return
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        known = -1
        while known < len(self._tellers):
            known = len(self._tellers)
            self._tellers |= {function.name for function in functions if self._returns_reading(function)}

    def _returns_reading(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        told = self.names_in(function)
        returned = [node.value for node in _own_nodes(function) if isinstance(node, ast.Return) and node.value]
        return any(self.is_told(each, told) for each in returned)

    def names_in(self, scope: ast.AST) -> set[str]:
        """Return the names, dotted ones too, that hold a reading somewhere in a scope."""
        told: set[str] = set()
        if not self._has_clock:
            return told
        assignments = list(filter(None, map(_assignment, ast.walk(scope))))
        known = -1
        while known < len(told):
            known = len(told)
            for target, value in assignments:
                if self.is_told(value, told):
                    told |= set(_targets(target))
        return told

    def is_told(self, node: ast.AST, told: set[str]) -> bool:
        """Look whether an expression is a reading, or made of one."""
        if not self._has_clock:
            return False
        if _dotted(node) in told:
            return True
        if not isinstance(node, ast.Call):
            return any(self.is_told(child, told) for child in ast.iter_child_nodes(node))
        is_passed = _last_name(node.func) in PASSING and any(self.is_told(each, told) for each in node.args)
        return self._is_clock(node) or is_passed or self.is_told(node.func, told)

    def _is_clock(self, node: ast.Call) -> bool:
        name = _last_name(node.func)
        owner = _last_name(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if isinstance(node.func, ast.Name) and name in self._tellers:
            return True
        return name in CLOCKS or owner in CLOCKS_OF.get(name, ())


def _assignment(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    if isinstance(node, ast.Assign):
        return ast.Tuple(node.targets, ast.Store()), node.value
    if isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
        return node.target, node.value
    if isinstance(node, ast.For | ast.comprehension):
        return node.target, node.iter
    return None


def _targets(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _targets(each)
    elif (name := _dotted(target)) is not None:
        yield name


def _dotted(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def _last_name(node: ast.expr) -> str:
    """Return the last name of `a.b.c`, of `a.b()` and of `a.b[0]`."""
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _constants(tree: ast.Module) -> dict[str, float]:
    """Return the module's own names of numbers."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and (number := _number(node.value, {})) is not None:
            found |= {target.id: number for target in node.targets if isinstance(target, ast.Name)}
    return found


def _number(node: ast.expr, constants: Mapping[str, float]) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    return constants.get(node.id) if isinstance(node, ast.Name) else None


def _is_ordered(node: ast.Compare) -> bool:
    return any(isinstance(operator, ORDERED) for operator in node.ops)


def _scopes(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield every function with its dotted place, and the module itself."""
    yield "", tree
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        place, parent = stack.pop()
        for child in ast.iter_child_nodes(parent):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{place}.{child.name}".lstrip(".")
                stack.append((inner, child))
                if not isinstance(child, ast.ClassDef):
                    yield inner, child
            else:
                stack.append((place, child))


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope without those of the functions in it, which are scopes of their own."""
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            stack += ast.iter_child_nodes(node)
