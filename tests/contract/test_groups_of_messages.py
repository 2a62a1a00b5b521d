"""Every message that what ships sends names the tenant whose it is."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SENDING = {"send", "send_all"}
# Senders of something else, by the last word of what they are called.
NOT_QUEUES = {"_sender", "sender", "http", "shards", "_shards", "self", "super"}


def ungrouped(source: str) -> list[int]:
    """Return the lines where something is sent, or handed on to be, to a queue without a group."""
    tree = ast.parse(source)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and not _has_group(node)]
    return sorted(node.lineno for node in found if _sends(node.func) or _is_partial_of_a_send(node))


def _has_group(call: ast.Call) -> bool:
    return any(each.arg == "group" for each in call.keywords)


def _sends(called: ast.AST) -> bool:
    if not isinstance(called, ast.Attribute) or called.attr not in SENDING:
        return False
    return ast.unparse(called.value).removesuffix("()").rpartition(".")[2] not in NOT_QUEUES


def _is_partial_of_a_send(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "partial" and bool(call.args) and _sends(call.args[0])


SHIPPED = sorted([*(ROOT / "layers/core/lambent").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_message_names_its_group(path: Path) -> None:
    assert ungrouped(path.read_text()) == []


def test_a_message_without_a_group_is_found() -> None:
    source = """
queue.send(body)
self._queue.send_all(bodies)
dead_letters().send(body, attributes={})
way = partial(self._webhooks.send, message)
queue.send(body, group=tenant)
self._sender.send(job)
"""

    assert ungrouped(source) == [2, 3, 4, 5]
