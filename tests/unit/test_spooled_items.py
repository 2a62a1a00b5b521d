"""All items of a job lie in one object, of which each shard is a range."""

from builders import TENANT
from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.jobs import Plan, ShardItem
from lambent.domain.names import job_key
from lambent.services.read_plan import each_item
from lambent.services.spool_items import ItemSpool
from lambent_toolkit.fakes import FakeObjectStore


def test_each_shard_is_its_own_items_in_their_order() -> None:
    items = [ShardItem(id=f"é{number}", line=number, text="x" * number) for number in range(1, 8)]
    data = FakeObjectStore()

    with ItemSpool() as spool:
        spool.add_all(items)
        offsets, name, count = spool.offsets(3), spool.file_name, len(spool)
        spool.upload(data, job_key(TENANT, "job-1", name))
    plan = _plan(offsets, name, total=count)

    assert [list(each_item(data, plan, shard)) for shard in range(plan.shards)] == [items[:3], items[3:6], items[6:]]
    assert [plan.items_of(shard) for shard in range(plan.shards)] == [3, 3, 1]


def test_other_items_have_another_name() -> None:
    with ItemSpool() as one, ItemSpool() as same, ItemSpool() as other:
        one.add_all([ShardItem(id="a", line=1, text="x")])
        same.add_all([ShardItem(id="a", line=1, text="x")])
        other.add_all([ShardItem(id="a", line=1, text="y")])

        assert one.file_name == same.file_name != other.file_name


def _plan(offsets: list[int], name: str, *, total: int) -> Plan:
    return Plan(
        tenant=TENANT,
        job_id="job-1",
        model="shade",
        version=1,
        lane="cpu",
        total=total,
        shards=len(offsets) - 1,
        shard_items=3,
        items_file=name,
        offsets=offsets,
        concurrency=1,
        output=OutputOptions(),
        accepted_at="",
        expires_at_s=0,
        why="",
    )
