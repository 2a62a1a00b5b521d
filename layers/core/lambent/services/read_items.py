"""A batch's input into checked items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent.contracts.batch_request import BatchInput, ManifestItem
from lambent.contracts.decoding import decode_json
from lambent.contracts.jobs import ShardItem
from lambent.domain.names import inputs_prefix
from lambent.errors import LambentError, ManifestInvalid, PayloadTooLarge, SourceGone, UrlRefused
from lambent.ports import ObjectStore

MAX_ITEMS = 50_000
MAX_MANIFEST_BYTES = 25_000_000
_REPORTED = 20
_URI_FIELD = "input.manifest_uri"


def read_items(data: ObjectStore, source: BatchInput, *, tenant: str) -> Iterator[ShardItem]:
    """Return the items of an input, in its order, at least one, with ids that differ.

    Raises
    ------
    UrlRefused        not an address that this tenant's batches may name
    ManifestInvalid   missing, empty, too long, or with bad lines: up to 20 of them in ``errors``, and how many
    Unavailable
    """
    manifest_uri = source.manifest_uri
    if manifest_uri is None:
        raise ManifestInvalid("This kind of input is not read here.", field="input")
    home = check_manifest_uri(data, manifest_uri, tenant=tenant)
    lines = _read(data, manifest_uri.removeprefix(data.uri("")))
    if not lines:
        raise ManifestInvalid(
            "The manifest is empty; write one JSON object a line.", field="input", limit=MAX_ITEMS, got=0
        )
    if len(lines) > MAX_ITEMS:
        raise ManifestInvalid(
            f"The manifest has {len(lines)} items, at most {MAX_ITEMS} are taken.", field="input", limit=MAX_ITEMS
        )
    return iter(_check_lines(lines, home=home, root=data.uri("")))


def check_input(data: ObjectStore, source: BatchInput, *, tenant: str) -> None:
    """Refuse an input that the tenant may not name, before anything is read; raises UrlRefused."""
    if source.manifest_uri is not None:
        check_manifest_uri(data, source.manifest_uri, tenant=tenant)


def check_manifest_uri(data: ObjectStore, manifest_uri: str, *, tenant: str) -> str:
    """Return the address of the tenant's inputs, under which a manifest and its items must lie.

    Raises
    ------
    UrlRefused   the address breaks a rule, which the text names
    """
    home = data.uri(inputs_prefix(tenant))
    if not manifest_uri.startswith("s3://"):
        rule = "it begins with s3://; no other kind of address is read"
    elif not manifest_uri.startswith(data.uri("")):
        rule = "it names the data bucket of this stack"
    elif not manifest_uri.startswith(home) or manifest_uri == home:
        rule = "it lies under the prefix inputs/ of your own tenant"
    elif {".", ".."} & set(manifest_uri.split("/")):
        rule = "no part of it is . or .."
    else:
        return home
    raise UrlRefused(f"The manifest's address breaks a rule: {rule}.", field=_URI_FIELD, limit=rule)


def _read(data: ObjectStore, key: str) -> list[tuple[int, bytes]]:
    try:
        body = data.read(key, max_bytes=MAX_MANIFEST_BYTES).body
    except SourceGone as exc:
        raise ManifestInvalid("The manifest does not exist.", field=_URI_FIELD) from exc
    except PayloadTooLarge as exc:
        raise ManifestInvalid(f"The manifest is too large. {exc.detail}", field=_URI_FIELD) from exc
    return [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]


def _check_lines(lines: list[tuple[int, bytes]], *, home: str, root: str) -> list[ShardItem]:
    items: list[ShardItem] = []
    problems: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in lines:
        try:
            item = _check_line(line, number, home=home, seen=seen)
        except LambentError as error:
            problems.append({"line": number, "code": error.code, "field": error.field, "detail": error.detail})
            continue
        seen.add(item.id)
        items.append(ShardItem(id=item.id, key=str(item.uri).removeprefix(root), line=number))
    if problems:
        raise ManifestInvalid(
            f"{len(problems)} of {len(lines)} manifest lines are not valid; first: line {problems[0]['line']}: "
            f"{problems[0]['detail']}",
            field="input",
            got=len(problems),
            errors=problems[:_REPORTED],
        )
    return items


def _check_line(line: bytes, number: int, *, home: str, seen: set[str]) -> ManifestItem:
    item = decode_json(line, ManifestItem, what=f"manifest line {number}")
    if item.uri is None or not item.uri.startswith(home):
        raise ManifestInvalid("The item lies outside your own inputs/ prefix of the data bucket.", field="uri")
    if item.id in seen:
        raise ManifestInvalid("The id stands on an earlier line already.", field="id")
    return item
