"""The part of a shard that nobody will finish: what its attempts have left, and an error for every other item.

Whoever ends a shard or its job writes this one: it only reads what the attempts keep, since one may still be at work.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from lambent.contracts.jobs import Plan
from lambent.contracts.lines import error_line
from lambent.ports import ObjectStore
from lambent.services.checkpoint_shard import Checkpoints
from lambent.services.read_plan import each_item
from lambent.services.result_lines import ResultLines
from lambent.services.shard_care import Precaution, ShardCare
from lambent.services.shard_part import ShardPart, WrittenPart

_LINES = 100


def end_unfinished(
    data: ObjectStore, plan: Plan, shard: int, error: dict[str, Any], *, has_died: bool = False
) -> WrittenPart:
    """Write the part of a shard unless there is one; return the one that counts.

    Parameters
    ----------
    error      fields of what every item gets that has no line in a checkpoint, and is not known to end its process
    has_died   whether the last attempt did, so that what it was at counts, too

    Raises
    ------
    SourceGone    the shard's items have expired
    Unavailable
    """
    care = ShardCare(data, plan, shard, Precaution(is_kept=True))
    care.learn(has_died=has_died)
    is_done = bytearray(plan.items_of(shard))
    with ResultLines() as lines:
        Checkpoints(data, plan, shard).take_over(lines, is_done)
        add_failures(data, plan, shard, lines, is_done=is_done, care=care, error=error)
        part = ShardPart(data, plan, shard)
        part.write_errors(lines)
        return part.write(lines)


def add_failures(
    data: ObjectStore,
    plan: Plan,
    shard: int,
    lines: ResultLines,
    *,
    is_done: bytearray,
    care: ShardCare,
    error: dict[str, Any],
) -> None:
    """Add a line for every item that has none: the error of its own that is known of it, or the one that is given."""
    items = ((at, item) for at, item in enumerate(each_item(data, plan, shard)) if not is_done[at])
    while chunk := list(islice(items, _LINES)):
        guilty = [care.error_of(at) for at, _ in chunk]
        lines.add(
            [error_line(item, own.to_dict() if own else error) for (_, item), own in zip(chunk, guilty, strict=True)]
        )
