"""A batch's input into checked items, whatever kind of input it is."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from lambent.contracts.batch_request import BatchInput, ManifestItem
from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import ShardItem
from lambent.contracts.model import ModelContract, TextPreprocessing
from lambent.errors import ManifestInvalid, PayloadTooLarge, SourceGone, Unavailable
from lambent.ports import Isolation, ObjectStore
from lambent.services.check_batch import check_batch, check_kinds
from lambent.services.gather_items import MAX_ITEMS, gather_items, too_many_items
from lambent.services.input_address import InputAddresses, format_of
from lambent.services.read_failed import failed_items
from lambent.services.read_tables import TableReader
from lambent.services.read_zip import zip_items

MAX_MANIFEST_BYTES = 256 << 20
MAX_LINE_BYTES = 32 << 20
# Of a line that holds no picture: what a model makes of so long a text or row is a refusal, at fifty times its memory.
MAX_LINE_BYTES_WITHOUT_PICTURE = 1 << 20
# What a character may take in JSON, as two \\u escapes.
_JSON_BYTES_PER_CHARACTER = 12
_MOST_LINES = 2 * MAX_ITEMS


def read_items(
    data: ObjectStore,
    source: BatchInput,
    *,
    tenant: str,
    contract: ModelContract,
    isolation: Isolation,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[ShardItem]:
    """Yield the items of an input, in its order, at least one, with ids that differ; memory does not grow with them.

    An input of which the model can answer no item is refused.

    What is wrong may be found after many items: none of them counts before all are read.

    Parameters
    ----------
    contract    of the model version that gets the items: it decides what a table's row is
    isolation   where Parquet is read
    tell        told what was passed over, in words

    Raises
    ------
    UrlRefused        not an address that this tenant's batches may name
    SourceChanged     the object is no longer the one that the request means
    ManifestInvalid   missing, empty, too long, or with bad items: up to 20 of them in ``errors``, and how many
    RequestInvalid    nothing tells the format
    NothingFailed     the job whose failed items are asked for has none
    MediaTypeUnsupported, OutputNotJson   see `check_batch`
    Unavailable
    """
    check_batch(contract)
    items = _read(data, source, tenant=tenant, contract=contract, isolation=isolation, tell=tell)
    return check_kinds(items, contract)


def _read(
    data: ObjectStore,
    source: BatchInput,
    *,
    tenant: str,
    contract: ModelContract,
    isolation: Isolation,
    tell: Callable[[str], None],
) -> Iterator[ShardItem]:
    addresses = InputAddresses(data, tenant)
    if source.failed_of is not None:
        return failed_items(data, source.failed_of, tenant=tenant, model=contract.name)
    if source.items is not None:
        return _inline_items(source.items, addresses)
    if source.prefix is not None:
        return _prefix_items(data, addresses.key_of(source.prefix, field="input.prefix", what="prefix"), tell)
    key, field = _object_key(source, addresses)
    if (kind := format_of(source)) == "zip":
        return zip_items(data, key, etag=source.etag, tell=tell)
    if kind == "jsonl":
        longest = _longest_line_bytes(contract)
        return _manifest_items(data, key, addresses, field=field, etag=source.etag, longest_bytes=longest)
    table = TableReader(contract, addresses, key=key, id_column=source.id_column)
    return _table_items(data, key, table.csv if kind == "csv" else partial(table.parquet, isolation), etag=source.etag)


def check_input(data: ObjectStore, source: BatchInput, *, tenant: str) -> None:
    """Refuse an input that the tenant may not name, before anything is read.

    Raises
    ------
    UrlRefused        an address of a manifest, table, archive or prefix that the tenant may not name
    RequestInvalid    nothing tells the format
    ManifestInvalid   inline items that are no items of this tenant, or share an id
    """
    addresses = InputAddresses(data, tenant)
    if source.items is not None:
        for _ in _inline_items(source.items, addresses):
            pass
    elif source.prefix is not None:
        addresses.key_of(source.prefix, field="input.prefix", what="prefix")
    elif source.failed_of is None:
        _object_key(source, addresses)
        format_of(source)


def _object_key(source: BatchInput, addresses: InputAddresses) -> tuple[str, str]:
    """Return the key of what is to be read, and the field that names it."""
    if source.manifest_uri is not None:
        field, uri = "input.manifest_uri", source.manifest_uri
    else:
        field, uri = "input.uri", str(source.uri)
    return addresses.key_of(uri, field=field, what="manifest"), field


def _inline_items(items: list[ManifestItem], addresses: InputAddresses) -> Iterator[ShardItem]:
    def make(number: int, item: ManifestItem) -> ShardItem:
        return _shard_item(item, number, addresses, manifest_key=None)

    return gather_items(enumerate(items, start=1), make, unit="item", what="list of items")


def _prefix_items(data: ObjectStore, prefix: str, tell: Callable[[str], None]) -> Iterator[ShardItem]:
    folders = 0

    def keys() -> Iterator[str]:
        nonlocal folders
        for found in data.listing(prefix):
            # Consoles and copying tools leave an empty object where people see a folder.
            if found.key.endswith("/"):
                folders += 1
            else:
                yield found.key

    def make(number: int, key: str) -> ShardItem:
        return ShardItem(id=key.removeprefix(prefix), line=number, key=key)

    yield from gather_items(enumerate(keys(), start=1), make, unit="item", what="prefix")
    if folders:
        tell(f"markers of folders passed over: {folders}")


def _manifest_items(
    data: ObjectStore, key: str, addresses: InputAddresses, *, field: str, etag: str | None, longest_bytes: int
) -> Iterator[ShardItem]:
    def make(number: int, line: bytes) -> ShardItem:
        item = decode_json(line, ManifestItem, what=f"manifest line {number}")
        if item.image is None and len(line) > longest_bytes:
            raise ManifestInvalid(
                f"A line without a picture may have {longest_bytes} bytes, this one has {len(line)}; shorten the item, "
                "or put it into an object of its own and name its uri.",
                field="text" if item.text is not None else "row" if item.row is not None else "uri",
                limit=longest_bytes,
                got=len(line),
            )
        return _shard_item(item, number, addresses, manifest_key=key)

    with downloaded(data, key, field=field, etag=etag) as file:
        yield from gather_items(_lines(file), make, unit="line", what="manifest")


def _longest_line_bytes(contract: ModelContract) -> int:
    spec = contract.preprocessing
    of_text = spec.max_characters * _JSON_BYTES_PER_CHARACTER if isinstance(spec, TextPreprocessing) else 0
    return max(MAX_LINE_BYTES_WITHOUT_PICTURE, of_text)


def _table_items(
    data: ObjectStore, key: str, read: Callable[[BinaryIO], Iterator[ShardItem]], *, etag: str | None
) -> Iterator[ShardItem]:
    with downloaded(data, key, field="input.uri", etag=etag) as file:
        yield from read(file)


def _shard_item(item: ManifestItem, number: int, addresses: InputAddresses, *, manifest_key: str | None) -> ShardItem:
    if item.uri is not None:
        return ShardItem(id=item.id, line=number, key=addresses.item_key(item.uri, manifest_key=manifest_key))
    if item.image is not None:
        return ShardItem(id=item.id, line=number, data=item.image.b64)
    return ShardItem(id=item.id, line=number, text=item.text, row=item.row)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield lines that are not blank, with their numbers."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise ManifestInvalid(
                f"Line {number} of the manifest has more than {MAX_LINE_BYTES} bytes; write one item a line.",
                field=f"line {number}",
                limit=MAX_LINE_BYTES,
            )
        if content := line.rstrip():
            yield number, content
        elif number > _MOST_LINES:
            raise too_many_items("manifest")


@contextmanager
def downloaded(data: ObjectStore, key: str, *, field: str, etag: str | None) -> Iterator[BinaryIO]:
    """Lend the object as a temporary file, at its beginning.

    Raises
    ------
    ManifestInvalid   missing, or over MAX_MANIFEST_BYTES
    SourceChanged     it has another etag
    Unavailable       the store failed, or scratch storage has no room
    """
    with cast("BinaryIO", TemporaryFile()) as file:
        try:
            data.download(key, file, max_bytes=MAX_MANIFEST_BYTES, etag=etag)
        except SourceGone as exc:
            raise ManifestInvalid("The manifest does not exist.", field=field) from exc
        except PayloadTooLarge as exc:
            raise ManifestInvalid(
                f"The manifest is too large. {exc.detail}", field=field, limit=exc.limit, got=exc.got
            ) from exc
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
            raise Unavailable("There is no room for the manifest in scratch storage; try again later.") from exc
        file.seek(0)
        yield file
