"""What has no result in an earlier job, as the items of another."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import msgspec

from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.parts import part_file
from lambent.domain.names import job_key
from lambent.errors import ManifestInvalid, NothingFailed, SourceGone
from lambent.ports import ObjectStore
from lambent.services.collect_parts import ERRORS_FILE
from lambent.services.read_plan import read_plan

_FIELD = "input.failed_of"
_MANIFEST_FILE = "manifest.json"
_ANY_SIZE = 1 << 40  # our own writing, a line an item


class _Line(msgspec.Struct, frozen=True):
    id: str


_LINE = msgspec.json.Decoder(_Line)
_ITEM = msgspec.json.Decoder(ShardItem)


def failed_items(data: ObjectStore, job_id: str, *, tenant: str, model: str) -> Iterator[ShardItem]:
    """Yield the items that failed in a job that has ended, or were not reached, as they were: id, line and content.

    Raises
    ------
    ManifestInvalid   no such job of this tenant, or expired; not planned; of another model; not ended
    NothingFailed
    Unavailable
    """
    plan = _ended_plan(data, job_id, tenant=tenant, model=model)
    failed = _failed_ids(data, plan)
    parts = {found.key for found in data.listing(job_key(tenant, job_id, "part-"))}
    count = 0
    with cast("BinaryIO", TemporaryFile()) as file:
        data.download(job_key(tenant, job_id, plan.items_file), file, max_bytes=_ANY_SIZE)
        file.seek(0)
        for shard in range(plan.shards):
            has_part = job_key(tenant, job_id, part_file(shard, plan.output)) in parts
            for _ in range(plan.items_of(shard)):
                item = _ITEM.decode(file.readline())
                if not has_part or item.id in failed:
                    count += 1
                    yield item
    if not count:
        raise NothingFailed("Every item of that job has a result; there is nothing to repeat.", field=_FIELD, got=0)


def _ended_plan(data: ObjectStore, job_id: str, *, tenant: str, model: str) -> Plan:
    try:
        plan = read_plan(data, tenant, job_id)
    except SourceGone as exc:
        raise ManifestInvalid(
            "There is no such job with items, or its files have expired; send its request again.", field=_FIELD
        ) from exc
    if plan.model != model:
        raise ManifestInvalid(
            "That job is one of another model; what failed is repeated on the same one.", field=_FIELD, limit=plan.model
        )
    if data.head(job_key(tenant, job_id, _MANIFEST_FILE)) is None:
        raise ManifestInvalid("That job has not ended yet; what failed is known once it has.", field=_FIELD)
    return plan


def _failed_ids(data: ObjectStore, plan: Plan) -> set[str]:
    with cast("BinaryIO", TemporaryFile()) as file:
        data.download(job_key(plan.tenant, plan.job_id, ERRORS_FILE), file, max_bytes=_ANY_SIZE)
        file.seek(0)
        return {_LINE.decode(line).id for line in file}
