"""The trail of changes: each change leaves its line or does not happen, and no edit of the trail goes unnoticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from builders import create_table
from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.dynamodb_secrets import DynamoSecretStore
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.dynamodb_trail import DynamoTrail
from lambent.domain.audit_trail import Entry, Head, Line, StoredLine, breaks, place_of, read_head
from lambent.domain.model import Canary, Change, ModelRef, MoveAction, VersionRecord
from lambent.domain.rollout import moved, new_label
from lambent.errors import Misconfigured, VersionImmutable
from lambent.services.webhook_secret import WebhookSecretService
from lambent_toolkit.cli.main import app
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.tenants.anchors import Anchors
from lambent_toolkit.tenants.errors import HeadInvalid, TrailBroken
from lambent_toolkit.tenants.rows import TenantRows
from lambent_toolkit.tenants.trail import Trail

REGION = "eu-west-1"
EDITS, SEED = 1_000, 20_261_130


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoTable]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        create_table("t")
        yield DynamoTable(boto3.client("dynamodb"), "t")


@pytest.fixture
def stack() -> SimpleNamespace:
    return SimpleNamespace(name="shop", table="t", client=lambda service: boto3.client(service, region_name=REGION))


def entry(number: int) -> Entry:
    return Entry(at=f"2026-11-30T00:00:{number:02d}.000Z", by="ann", action="label set", subject=f"model m{number}")


def whole_trail(size: int) -> tuple[list[StoredLine], Head]:
    head, found = Head(), []
    for number in range(1, size + 1):
        line = head.next_line(entry(number))
        found.append(StoredLine(place_of(number), line, line.digest))
        head = Head(number, line.digest)
    return found, head


def edited(found: list[StoredLine], chance: Random) -> tuple[str, list[StoredLine]]:
    """Return a kind of edit, and the lines after one of it at a place by chance."""
    lines, at = list(found), chance.randrange(len(found))
    kind = chance.choice(["changed", "changed with its digest", "removed", "swapped", "inserted", "cut off", "copied"])
    line = lines[at].line
    assert line is not None
    if kind.startswith("changed"):
        field = chance.choice(["at", "by", "action", "subject", "detail", "why"])
        forged = Line(line.number, line.previous, replace(line.entry, **{field: f"forged {chance.random()}"}))
        digest = forged.digest if kind.endswith("digest") else lines[at].digest
        lines[at] = StoredLine(lines[at].place, forged, digest)
    elif kind == "removed":
        del lines[at]
    elif kind == "swapped":
        other = (at + chance.randrange(1, len(lines))) % len(lines)
        lines[at], lines[other] = (
            replace(lines[other], place=lines[at].place),
            replace(lines[at], place=lines[other].place),
        )
    elif kind == "inserted":
        before = lines[at - 1].digest if at else Head().digest
        forged = Line(at + 1, before, entry(99))
        moved_up = [replace(each, place=place_of(number)) for number, each in enumerate(lines[at:], start=at + 2)]
        lines = [*lines[:at], StoredLine(place_of(at + 1), forged, forged.digest), *moved_up]
    elif kind == "cut off":
        del lines[at:]
    else:
        lines.append(replace(lines[at], place=place_of(len(lines) + 1)))
    return kind, lines


def test_each_of_a_thousand_edits_is_found() -> None:
    print(f"seed {SEED}")
    chance, (found, head) = Random(SEED), whole_trail(40)
    kinds = set()

    missed = []
    for number in range(EDITS):
        kind, lines = edited(found, chance)
        kinds.add(kind)
        if not breaks(lines, head):
            missed.append((number, kind))

    assert missed == []
    assert len(kinds) == 7
    assert breaks(found, head) == []


@pytest.mark.parametrize("size", [0, 1, 39])
def test_an_end_that_is_cut_off_with_its_head_is_missed_by_a_head_that_was_noted(size: int) -> None:
    found, head = whole_trail(40)
    shorter, its_head = whole_trail(size)

    assert breaks(shorter, its_head) == []
    assert breaks(shorter, its_head, [head]) != []
    assert breaks(found, head, [its_head]) == []


def test_a_trail_that_is_written_anew_is_found_by_any_head_that_was_noted() -> None:
    _, noted = whole_trail(7)
    line = Head().next_line(replace(entry(1), by="mallory"))
    head, forged = Head(1, line.digest), [StoredLine(place_of(1), line, line.digest)]
    for number in range(2, 41):
        line = head.next_line(entry(number))
        forged.append(StoredLine(place_of(number), line, line.digest))
        head = Head(number, line.digest)

    assert breaks(forged, head) == []
    assert "line 7" in breaks(forged, head, [noted])[0]


@pytest.mark.parametrize("text", ["", "7", "7:", ":" + "0" * 64, "-1:" + "0" * 64, "7:" + "0" * 63, "x:" + "0" * 64])
def test_what_is_no_head_is_none(text: str) -> None:
    assert read_head(text) is None


def test_a_head_is_read_as_it_is_told() -> None:
    _, head = whole_trail(3)

    assert read_head(str(head)) == head


def told(table: DynamoTable) -> list[tuple[str, str, str]]:
    """Return (who, action, subject) of all lines, which are whole."""
    found, head = DynamoTrail(table).lines()
    assert breaks(found, head) == []
    return [(line.entry.by, line.entry.action, line.entry.subject) for line in (each.line for each in found) if line]


def test_every_change_of_a_model_leaves_its_line(table: DynamoTable) -> None:
    registry, clock = DynamoRegistry(table), FakeClock()
    for number in (1, 2):
        registry.add_version(VersionRecord(ModelRef("m", number), "0" * 64, clock.now(), by="ann", why="first"))
    label = new_label("m", "live", 1, Change(clock.now(), "ben", "go"))
    steps = [label]
    for action, version, canary in (
        (MoveAction.CANARY, 1, Canary(2, 500)), (MoveAction.PROMOTE, 2, None), (MoveAction.ROLLBACK, 1, None),
    ):  # fmt: skip
        steps.append(moved(steps[-1], action, version, Change(clock.now(), "ben", ""), canary))
    for step in steps:
        registry.set_label(step)
    second = registry.version(ModelRef("m", 2))
    assert second is not None

    assert registry.retire_version(second, Change(clock.now(), "cem", "old"))
    assert registry.remove_version(second.ref, Change(clock.now(), "cem", "garbage"))
    registry.set_unloaded("m", Change(clock.now(), "tenant a, key k", ""), is_unloaded=True)
    registry.set_unloaded("m", Change(clock.now(), "tenant a, key k", ""), is_unloaded=False)

    by_ben = [("ben", f"label {action}", "model m") for action in ("set", "canary", "promote", "rollback")]
    operator = "tenant a, key k"
    assert told(table) == [
        ("ann", "publish", "model m"), ("ann", "publish", "model m"), *by_ben, ("cem", "retire", "model m"),
        ("cem", "remove", "model m"), (operator, "unload", "model m"), (operator, "load", "model m"),
    ]  # fmt: skip
    (canary,) = [
        each.line.entry.detail
        for each in DynamoTrail(table).lines()[0]
        if each.line and each.line.entry.action == "label canary"
    ]
    assert canary == "live → 1, canary 2 at 5 %"


def test_an_exchange_of_a_secret_leaves_its_line_and_a_first_secret_none(table: DynamoTable) -> None:
    service = WebhookSecretService(DynamoSecretStore(table), FakeClock())

    service.secret("acme")
    service.rotate("acme", by="tenant acme, key k")

    assert told(table) == [("tenant acme, key k", "webhook secret rotated", "tenant acme")]
    assert service.secret("acme").revision == 2


def test_a_change_of_a_tenant_leaves_its_line_beside_the_tenants_own(table: DynamoTable) -> None:
    rows = TenantRows(table, by="ada", clock=FakeClock())
    put = ("Put", {"Item": {"pk": "TENANTS", "sk": "acme"}, "ConditionExpression": "attribute_not_exists(pk)"})

    done = [rows.write(put, rows.audit("acme", "added", why="new")) for _ in range(2)]
    rows.write(("Put", {"Item": {"pk": "APIKEY#k", "sk": "TENANT"}}), rows.audit("acme", "key created", key_id="k"))

    assert done == [True, False]
    assert told(table) == [("ada", "tenant added", "tenant acme"), ("ada", "key created", "tenant acme")]
    assert len(rows.rows("AUDIT#acme")) == 2


def test_a_change_that_is_refused_leaves_no_line(table: DynamoTable) -> None:
    registry, clock = DynamoRegistry(table), FakeClock()
    first = VersionRecord(ModelRef("m", 1), "0" * 64, clock.now(), by="ann")
    registry.add_version(first)

    with pytest.raises(VersionImmutable):
        registry.add_version(replace(first, manifest_sha256="1" * 64))

    assert told(table) == [("ann", "publish", "model m")]


def test_a_change_that_cannot_be_recorded_does_not_happen(table: DynamoTable) -> None:
    table.put_item(Item={"pk": "TRAIL", "sk": "HEAD", "number": "none"})
    registry, clock = DynamoRegistry(table), FakeClock()

    with pytest.raises(Misconfigured, match="audit verify"):
        registry.add_version(VersionRecord(ModelRef("m", 1), "0" * 64, clock.now(), by="ann"))

    assert registry.versions("m") == []


class Overtaken:
    """A table on which somebody else is faster, the first times that one writes."""

    def __init__(self, table: DynamoTable, times: int) -> None:
        self._table, self._times = table, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def write_together(self, writes: Any) -> None:
        if self._times:
            self._times -= 1
            DynamoTrail(self._table).write(replace(entry(1), by=f"faster {self._times}"), [])
        self._table.write_together(writes)


def test_changes_of_one_moment_take_turns_and_all_are_recorded(table: DynamoTable) -> None:
    registry = DynamoRegistry(Overtaken(table, 5))

    registry.add_version(VersionRecord(ModelRef("m", 1), "0" * 64, FakeClock().now(), by="ann"))

    assert [by for by, _action, _subject in told(table)] == [*(f"faster {left}" for left in (4, 3, 2, 1, 0)), "ann"]


def test_a_verification_notes_the_head_and_holds_later_ones_to_it(
    table: DynamoTable, stack: Any, tmp_path: Path
) -> None:
    heads = tmp_path / "kept" / "heads.json"
    trail, own = Trail(stack, heads=heads), DynamoTrail(table)
    for number in (1, 2, 3):
        own.write(entry(number), [])

    first = trail.verify()
    own.write(entry(4), [])
    second = trail.verify(head=str(first))
    for number in (3, 4):
        table.delete_item(Key={"pk": "TRAIL", "sk": place_of(number)})
    lines, _ = own.lines()
    table.put_item(Item={"pk": "TRAIL", "sk": "HEAD", "number": 2, "digest": lines[-1].digest})

    assert (first.number, second.number) == (3, 4)
    assert json.loads(heads.read_bytes()) == {"t": str(second)}
    with pytest.raises(TrailBroken, match="line 4"):
        trail.verify()
    with pytest.raises(TrailBroken, match="line 3"):
        Trail(stack, heads=tmp_path / "other.json").verify(head=str(first))


@pytest.mark.parametrize(
    "row",
    [
        {"sk": "LINE#0000000001", "extra": "x"},
        {"sk": "LINE#0000000001", "number": "1"},
        {"sk": "LINE#0000000001", "why": ["x"]},
        {"sk": "A", "number": 1},
        {"sk": "Z", "number": 1},
        {"sk": "HEAD", "number": "1"},
    ],
)
def test_a_row_of_the_wrong_form_breaks_the_trail(table: DynamoTable, stack: Any, tmp_path: Path, row: Any) -> None:
    own = DynamoTrail(table)
    own.write(entry(1), [])
    found = table.get_item(Key={"pk": "TRAIL", "sk": row["sk"]}).get("Item", {})
    table.put_item(Item={"pk": "TRAIL", **found, **row})

    with pytest.raises(TrailBroken):
        Trail(stack, heads=tmp_path / "heads.json").verify()


def test_a_value_of_a_kind_that_no_row_has_breaks_the_trail(table: DynamoTable, stack: Any, tmp_path: Path) -> None:
    own = DynamoTrail(table)
    own.write(entry(1), [])
    row = {"pk": {"S": "TRAIL"}, "sk": {"S": "LINE#0000000002"}, "by": {"B": b"x"}}
    boto3.client("dynamodb").put_item(TableName="t", Item=row)

    with pytest.raises(TrailBroken, match="no change writes"):
        Trail(stack, heads=tmp_path / "heads.json").verify()


def test_what_is_said_to_be_a_head_must_be_one(table: DynamoTable, stack: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "heads.json"
    damaged.write_text("[")

    with pytest.raises(HeadInvalid, match="NUMBER:DIGEST"):
        Trail(stack, heads=tmp_path / "none.json").verify(head="7")
    with pytest.raises(HeadInvalid, match="no file of heads"):
        Trail(stack, heads=damaged).verify()


def test_the_verbs_list_and_verify(
    table: DynamoTable, stack: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lambent_toolkit.stacks.find.find_stack", lambda _choice: stack)
    runner, own = CliRunner(), DynamoTrail(table)
    empty = runner.invoke(app, ["audit", "list"])
    own.write(replace(entry(1), detail="live → 2", why="a\nreason"), [])
    own.write(entry(2), [])

    listed, verified = runner.invoke(app, ["audit", "list"]), runner.invoke(app, ["audit", "verify"])
    table.delete_item(Key={"pk": "TRAIL", "sk": place_of(1)})
    broken = runner.invoke(app, ["audit", "verify"])

    assert "No change" in empty.stdout
    assert listed.stdout.splitlines() == [
        "2  2026-11-30T00:00:02Z  ann  label set model m2",
        r"1  2026-11-30T00:00:01Z  ann  label set model m1: live → 2 (a\nreason)",
    ]
    assert (verified.exit_code, verified.stdout.strip()) == (0, str(own.head()))
    assert broken.exit_code == 146


@pytest.fixture
def bucket(table: DynamoTable) -> str:
    """Return a bucket that keeps what it has."""
    return locked_bucket("anchors", mode="COMPLIANCE")


def locked_bucket(name: str, *, mode: str | None, is_lockable: bool = True) -> str:
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=is_lockable,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    if mode is not None:
        rule = {"DefaultRetention": {"Mode": mode, "Days": 3650}}
        s3.put_object_lock_configuration(
            Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
    return name


def write_anew(table: DynamoTable, size: int) -> None:
    """Put another trail in place of the one that is there, as whoever may write the table can."""
    for row in table.query(KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": "TRAIL"})["Items"]:
        table.delete_item(Key={"pk": row["pk"], "sk": row["sk"]})
    for number in range(1, size + 1):
        DynamoTrail(table).write(replace(entry(number), by="eve"), [])


def audit(folder: Path, stack: Any, *words: str) -> Any:
    """Run a verb on a machine that has noted nothing."""
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("lambent_toolkit.stacks.find.find_stack", lambda _choice: stack)
        return CliRunner().invoke(app, ["audit", *words])


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_trail_that_is_written_anew_is_found_by_an_anchor_from_any_machine(
    table: DynamoTable, stack: Any, bucket: str, tmp_path: Path, size: int, hidden: bool
) -> None:
    for number in (1, 2, 3):
        DynamoTrail(table).write(entry(number), [])
    anchored = audit(tmp_path / "one", stack, "anchor", "--bucket", bucket)
    DynamoTrail(table).write(entry(4), [])
    good = audit(tmp_path / "two", stack, "verify", "--bucket", bucket)
    if hidden:
        s3 = boto3.client("s3", region_name=REGION)
        (kept,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
        s3.delete_object(Bucket=bucket, Key=kept["Key"])

    write_anew(table, size)
    alone, held = (audit(tmp_path / f"{each}", stack, "verify", *each) for each in ((), ("--bucket", bucket)))

    assert (anchored.exit_code, good.exit_code, alone.exit_code, held.exit_code) == (0, 0, 0, 146)
    assert "Held to 1 anchors, the first of" in good.stderr
    assert "line 3 is not the one that was noted" in held.stderr
    assert audit(tmp_path / "three", stack, "anchor", "--bucket", bucket).exit_code == 146


def test_what_is_anchored_cannot_be_removed_and_an_anchor_made_twice_is_one(
    table: DynamoTable, stack: Any, bucket: str, tmp_path: Path
) -> None:
    DynamoTrail(table).write(entry(1), [])

    first, second = (audit(tmp_path, stack, "anchor", "--bucket", bucket) for _ in range(2))

    s3 = boto3.client("s3", region_name=REGION)
    kept = s3.list_object_versions(Bucket=bucket)["Versions"]
    for each in kept:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    assert first.stdout == second.stdout == f"{DynamoTrail(table).head()}\n"
    assert [each.head for each in Anchors(s3, bucket, table="t").all()] == [DynamoTrail(table).head()]
    assert Anchors(s3, bucket, table="another").all() == []


@pytest.mark.parametrize(("mode", "is_lockable"), [(None, False), (None, True), ("GOVERNANCE", True)])
def test_a_bucket_that_does_not_keep_what_it_has_takes_no_anchor(
    table: DynamoTable, stack: Any, tmp_path: Path, mode: str | None, is_lockable: bool
) -> None:
    name = locked_bucket("loose", mode=mode, is_lockable=is_lockable)

    refused = audit(tmp_path, stack, "anchor", "--bucket", name)

    assert refused.exit_code == 148
    assert "COMPLIANCE" in refused.stderr
    assert "Contents" not in boto3.client("s3", region_name=REGION).list_objects_v2(Bucket=name)
