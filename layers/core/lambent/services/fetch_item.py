"""The content of one item, wherever it lies."""

from __future__ import annotations

from lambent.contracts.jobs import ShardItem
from lambent.domain.preprocessing import RawItem
from lambent.errors import PayloadTooLarge
from lambent.ports import ObjectStore


def fetch_item(data: ObjectStore, item: ShardItem, *, max_bytes: int) -> RawItem:
    """Return an item as a version's preprocessing takes it.

    Raises
    ------
    PayloadTooLarge   over ``max_bytes``; an object is not downloaded then
    SourceGone        its object does not exist
    Unavailable
    """
    if item.row is not None:
        return item.row
    if item.text is not None:
        return item.text
    if item.data is not None:
        if len(item.data) > max_bytes:
            raise PayloadTooLarge(
                f"The item has {len(item.data)} bytes, at most {max_bytes} are taken.",
                limit=max_bytes,
                got=len(item.data),
            )
        return item.data
    return data.read(str(item.key), max_bytes=max_bytes).body
