"""How many items an input has, found out within seconds: counted where it is small, estimated where it is large."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from lambent.contracts.batch_request import BatchInput
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import ImagePreprocessing, ModelContract
from lambent.contracts.parquet_footer import TAIL_BYTES, footer_bytes, rows_of
from lambent.errors import ManifestInvalid
from lambent.ports import ObjectStore
from lambent.services.gather_items import MAX_ITEMS, too_many_items
from lambent.services.input_address import format_of

# What is read and checked line by line: 2 MiB are some 20,000 lines, and take a second.
COUNTED_BYTES = 2 << 20
# A listing answers with 1,000 keys.
MOST_LISTED = 20_000
_SAMPLE_BYTES = 1 << 16
_SAMPLES = 5


@dataclass(frozen=True)
class ItemCount:
    """How many items, how many of them are objects to fetch, whether that is exact, and how it was found out."""

    items: int
    objects: int
    is_exact: bool
    how: str


def counted(items: Iterable[ShardItem]) -> ItemCount:
    """Return the count of items that are all read and checked; raises what reading them raises."""
    total = objects = 0
    for item in items:
        total += 1
        objects += item.key is not None
    return ItemCount(total, objects, is_exact=True, how="all items were read and checked")


def at_most(items: Iterable[ShardItem], most: int) -> ItemCount:
    """Return the count of items up to so many, of which there may be more."""
    found = counted(islice(items, most))
    if found.items < most:
        return found
    return ItemCount(found.items, found.objects, is_exact=False, how=f"at least {most:,}; listing ended there")


def rows_counted(data: ObjectStore, key: str, size_bytes: int, contract: ModelContract) -> ItemCount:
    """Return the count of a Parquet table's rows by its footer; raises ManifestInvalid, SourceGone, Unavailable."""
    end = size_bytes - TAIL_BYTES
    if end <= 0:
        raise ManifestInvalid("The table is not Parquet: it is too short.", field="input.uri")
    start = end - footer_bytes(data.read_range(key, end, size_bytes))
    if start < 0:
        raise ManifestInvalid("The table is not Parquet: its footer begins before it.", field="input.uri")
    rows = rows_of(data.read_range(key, start, end))
    if not rows:
        raise ManifestInvalid("The table is empty; it needs a row at least.", field="input.uri", limit=MAX_ITEMS, got=0)
    if rows > MAX_ITEMS:
        raise too_many_items("table")
    how = "rows were counted by the table's footer, and not read"
    return ItemCount(rows, rows if _holds_addresses(contract) else 0, is_exact=True, how=how)


def sampled(data: ObjectStore, key: str, size_bytes: int, source: BatchInput, contract: ModelContract) -> ItemCount:
    """Return the count of a large manifest or CSV as its size and samples of its lines let expect.

    Raises
    ------
    ManifestInvalid   certainly more items than a batch may have
    SourceGone, Unavailable
    """
    last = size_bytes - _SAMPLE_BYTES
    starts = [last * number // (_SAMPLES - 1) for number in range(_SAMPLES)]
    samples = [data.read_range(key, start, start + _SAMPLE_BYTES) for start in starts]
    read_bytes = sum(map(len, samples))
    lines = [line for sample in samples for line in sample.split(b"\n")[1:-1] if line.strip()]
    ends = max(1, sum(sample.count(b"\n") for sample in samples))
    items = max(1, round(size_bytes * ends / read_bytes))
    if items > 2 * MAX_ITEMS:
        raise too_many_items("input")
    if format_of(source) == "csv":
        fetched = 1.0 if _holds_addresses(contract) else 0.0
    else:
        fetched = sum(b'"uri"' in line for line in lines) / len(lines) if lines else 0.0
    how = f"estimated from {size_bytes:,} bytes and {len(lines):,} lines of them"
    return ItemCount(items, round(items * fetched), is_exact=False, how=how)


def _holds_addresses(contract: ModelContract) -> bool:
    """Return whether the rows of a model's tables are addresses of objects, and not the content itself."""
    return isinstance(contract.preprocessing, ImagePreprocessing)
