"""The stack's trail of changes, read: listed, and held to be whole.

A trail that was written anew as a whole fits in itself. It shows against heads that were noted before: each
verification notes the head that it found in a file of this machine, as SSH notes the keys of hosts, and holds later
ones to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.dynamodb_trail import DynamoTrail
from lambent.domain.audit_trail import Head, Line, breaks, read_head
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks, write_whole
from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.stacks.stack import Stack
from lambent_toolkit.tenants.errors import HeadInvalid, TrailBroken

HEADS_FILE = Path(".lambent/audit-heads.json")
_MOST_BREAKS_TOLD = 20


class Trail:
    """The trail of one stack.

    Parameters
    ----------
    heads   where heads are noted
    """

    def __init__(self, stack: Stack, *, heads: Path = HEADS_FILE) -> None:
        self._trail = DynamoTrail(DynamoTable(stack.client("dynamodb"), stack.table))
        self._heads, self._name = heads, stack.table

    def latest(self, count: int) -> list[Line]:
        """Return the latest lines, the newest first, whether they are whole or not; raises StackError."""
        with telling_aws_errors():
            found, _head = self._trail.lines()
        return [each.line for each in reversed(found) if each.line is not None][:count]

    def verify(self, *, head: str | None = None, anchored: Sequence[Head] = ()) -> Head:
        """Hold the trail to itself, to the head that was noted here and to those that are told; note its head.

        Parameters
        ----------
        head       as an earlier verification returned it
        anchored   heads that were kept elsewhere; see `lambent_toolkit.tenants.anchors`

        Raises
        ------
        TrailBroken          something was changed, removed, inserted, moved or cut off
        HeadInvalid          ``head`` is none, or the file of heads is not one
        FolderNotWritable    the head cannot be noted
        StackError
        """
        noted = self._noted()
        told = [] if head is None else [_told(head)]
        try:
            with telling_aws_errors():
                found, stored = self._trail.lines()
        except (TypeError, ValueError) as exc:  # values of kinds that no row of ours has
            raise TrailBroken(f"The trail is broken: a row of it holds what no change writes ({exc}).") from exc
        before = [noted[self._name]] if self._name in noted else []
        if broken := breaks(found, stored, [*told, *anchored, *before]):
            more = f" (and {len(broken) - _MOST_BREAKS_TOLD} more)" if len(broken) > _MOST_BREAKS_TOLD else ""
            raise TrailBroken(f"The trail is broken: {'; '.join(broken[:_MOST_BREAKS_TOLD])}{more}.")
        self._note({**noted, self._name: stored or Head()})
        return stored or Head()

    def _noted(self) -> dict[str, Head]:
        if not self._heads.exists():
            return {}
        try:
            texts = msgspec.json.decode(self._heads.read_bytes(), type=dict[str, str])
        except msgspec.MsgspecError as exc:
            raise HeadInvalid(f"{self._heads} is no file of heads: {exc}") from exc
        return {name: _told(text) for name, text in texts.items()}

    def _note(self, heads: dict[str, Head]) -> None:
        with telling_of_full_disks(self._heads.parent):
            self._heads.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._heads, msgspec.json.encode({name: str(head) for name, head in heads.items()}))


def _told(text: str) -> Head:
    head = read_head(text)
    if head is None:
        raise HeadInvalid(f"{text[:80]!r} is no head: say NUMBER:DIGEST, as `lambent audit verify` prints it.")
    return head
