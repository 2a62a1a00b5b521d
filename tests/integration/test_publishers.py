"""Publishers that run at once, and publishers that are killed, on the running stack: whole versions or none."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Thread

import msgspec
import pytest
from published import publish_shade, shade_contract, shade_files

from lambent.adapters.dynamodb_jobs import DynamoJobStore
from lambent.adapters.s3 import S3ObjectStore
from lambent.domain.model import ModelRef, VersionRecord
from lambent.services.collect_garbage import GarbageCollector
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.sandbox import LocalStack

LAMBENT = Path(sys.executable).with_name("lambent")
DYING = Path(__file__).with_name("dying_publisher.py")
PUBLISHERS, ROUNDS = 4, 3
# model.tflite, golden.npz, contract.json, manifest.json, the registry's row
WRITES = 5
IN_TWO_DAYS_S = 2 * 86_400


def state_of(stack: LocalStack) -> Path:
    return Path(stack.info.logs).parent


def labels_in(rollout: Rollout, ref: ModelRef) -> list[str]:
    """Return the labels in a version's contract, after all of its files were verified."""
    manifest = rollout.files.manifest(ref)
    for name in manifest.files:
        rollout.files.file(ref, manifest, name)
    return list(rollout.files.contract(ref).postprocessing.labels)


def keys_of(stack: LocalStack, name: str) -> set[str]:
    bucket = stack.info.buckets["models"]
    listed = stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{name}/")
    return {each["Key"] for each in listed.get("Contents", [])}


def publish_and_die(stack: LocalStack, name: str, fatal: int) -> subprocess.CompletedProcess[str]:
    """Run a publisher that is killed before its write of this number, counted from 1."""
    command = [sys.executable, str(DYING), str(state_of(stack)), name, str(fatal)]
    environment = {**os.environ, "PYTHONPATH": str(DYING.parents[1])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@dataclass
class PublisherThread:
    """Publishes a version that nobody else publishes, once all are ready."""

    stack: LocalStack
    barrier: Barrier
    label: str
    records: list[VersionRecord] = field(default_factory=list)

    def run(self) -> None:
        declared = shade_contract("race", (self.label, "bright"))
        files, publisher = shade_files(declared), Publisher(self.stack.info)
        self.barrier.wait()
        self.records.append(publisher.publish_files(files, declared))


def test_publishers_at_once_get_a_number_each_and_whole_versions(stack: LocalStack) -> None:
    rollout = Rollout(stack.info)
    for turn in range(ROUNDS):
        barrier = Barrier(PUBLISHERS)
        publishers = [PublisherThread(stack, barrier, f"of-{turn}-{number}") for number in range(PUBLISHERS)]
        threads = [Thread(target=publisher.run) for publisher in publishers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        records = [record for publisher in publishers for record in publisher.records]
        assert len({record.ref for record in records}) == PUBLISHERS
        for publisher in publishers:
            (record,) = publisher.records
            assert rollout.registry.version(record.ref) == record
            assert labels_in(rollout, record.ref) == [publisher.label, "bright"]


def test_two_people_who_publish_at_once_by_command_get_a_version_each(stack: LocalStack, tmp_path: Path) -> None:
    artifact = build_demo_model(default_cache_dir())
    folders = [tmp_path / who for who in ("ann", "bob")]
    declared = msgspec.structs.replace(artifact.contract, name="race-by-command")
    for folder in folders:
        folder.mkdir()
        own = {"contract.json": msgspec.json.encode(declared), "card.md": f"# by {folder.name}\n".encode()}
        for name, body in {**artifact.files, **own}.items():
            (folder / name).write_bytes(body)

    running = [
        subprocess.Popen(
            [str(LAMBENT), "publish", str(folder), "--by", folder.name, "--state", str(state_of(stack))],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for folder in folders
    ]  # fmt: skip
    told = [process.communicate()[0] for process in running]

    numbers = [re.search(r"published race-by-command@(\d+)", text) for text in told]
    assert [process.returncode for process in running] == [0, 0], told
    versions = [int(number[1]) for number in numbers if number is not None]
    assert sorted(versions) == [1, 2]
    files = Rollout(stack.info).files
    for folder, version in zip(folders, versions, strict=True):
        ref = ModelRef("race-by-command", version)
        assert files.file(ref, files.manifest(ref), "card.md").decode() == f"# by {folder.name}\n"
        assert files.record(ref).by == folder.name


@pytest.mark.parametrize("fatal", range(1, WRITES + 1))
def test_a_publisher_that_is_killed_before_any_of_its_writes_leaves_nothing_that_anybody_sees(
    stack: LocalStack, fatal: int
) -> None:
    name = f"killed-{fatal}"
    first, rollout = publish_shade(stack.info, name=name), Rollout(stack.info)
    before = keys_of(stack, name)

    killed = publish_and_die(stack, name, fatal)
    left = keys_of(stack, name) - before
    seen = [record.ref for record in rollout.registry.versions(name)]
    second = publish_shade(stack.info, name=name, labels=("next-dark", "next-bright"))
    clear_up(stack, name)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(left) == fatal - 1
    assert seen == [first]
    assert labels_in(rollout, first) == ["dark", "bright"]
    assert labels_in(rollout, second) == ["next-dark", "next-bright"]
    published = {ref.key(file) for ref in (first, second) for file in rollout.files.manifest(ref).files}
    assert keys_of(stack, name) == published | {ref.key("manifest.json") for ref in (first, second)}


def clear_up(stack: LocalStack, name: str) -> None:
    """Collect the garbage of a model as it will be found in two days, and look that it is what was left."""
    rollout = Rollout(stack.info)
    published = {record.ref for record in rollout.registry.versions(name)}
    store = S3ObjectStore(stack.client("s3"), stack.info.buckets["models"], what="model store")
    jobs, later = DynamoJobStore(rollout._table), FakeClock(time.time() + IN_TWO_DAYS_S)
    collector = GarbageCollector(store=store, registry=rollout.registry, jobs=jobs, clock=later, retired_for_days=30)
    found = [each for each in collector.find() if each.ref.name == name]
    assert all(each.kind == "unpublished" and each.ref not in published for each in found)
    assert all(collector.remove(each) for each in found)


def test_all_writes_of_a_publisher_were_tried(stack: LocalStack) -> None:
    done = publish_and_die(stack, "killed-never", 0)

    assert done.stdout == f"made {WRITES} writes\n", done.stderr
