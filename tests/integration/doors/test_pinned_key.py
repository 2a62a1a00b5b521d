"""A stack that pins a key, by the commands that a person types: its doors serve what that key signed, nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lambent.domain.model import CONTRACT_FILE
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import StackInfo
from patience import wait_for

LAMBENT = Path(sys.executable).with_name("lambent")
TENANT = "pinned"
REFUSED = "model_signature_invalid"
OURS, UNSIGNED, THEIRS = 1, 2, 3
GATE_CLOSED, REFUSED_BY_SERVICE = 31, 20  # exit codes


@dataclass(frozen=True)
class Pinned:
    """A stack with one pinned key: version 1 is signed by it, version 2 not at all, version 3 by another key."""

    home: Path
    product: Any

    def lambent(self, *words: str) -> str:
        return lambent(self.home, *words)

    def go_live(self, version: int) -> None:
        """Move the label past all that the command checks."""
        Publisher(self.product.info).set_label("digits", "live", version)

    def predict(self, path: str = "/models/digits/predict") -> Any:
        return self.product.http.post(path, content=self.product.seven, headers={"Content-Type": "image/png"})

    def upload(self, name: str) -> dict[str, Any]:
        """Return the result of an upload, or its error."""
        self.product.put(f"inbox/{TENANT}/digits/{name}", self.product.seven)
        endings = (".json", ".error.json")

        def outcome() -> bytes | None:
            keys = [f"results/{TENANT}/digits/{name}{ending}" for ending in endings]
            return next((found for key in keys if (found := self.product.read(key)) is not None), None)

        return dict(json.loads(wait_for(outcome, what=f"the outcome of {name}")))

    def batch(self, job_id: str, lane: str) -> dict[str, Any]:
        """Return a batch job of two pictures, once it has ended."""
        manifest = self.product.put_batch(TENANT, job_id, [self.product.seven] * 2)
        request = {"schema_version": 1, "id": job_id, "model": "digits", "lane": lane}
        self.product.send_batch(json.dumps(request | {"input": {"manifest_uri": manifest}}), tenant=TENANT)
        return dict(self.product.wait_for_job(job_id, TENANT))


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(LAMBENT), *words], cwd=home, capture_output=True, text=True, check=False)


def lambent(home: Path, *words: str) -> str:
    done = run(home, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory, as_product: Callable[[StackInfo], Any]) -> Iterator[Pinned]:
    home = tmp_path_factory.mktemp("pinned")
    for name in ("ours", "theirs"):
        lambent(home, "key", "new", "--out", f"{name}.pem")
    # A label that is remembered for no time at all lets the tests go on at once.
    options = ["--detach", "--port", "0", "--state", "stack", "--parameter", "LabelTtlSeconds=0"]
    lambent(home, "up", "--pin", "ours.pem.pub", *options)
    try:
        write_folder(home / "model")
        publish = ["publish", "model", "--state", "stack"]
        for version, key in ((OURS, "ours.pem"), (UNSIGNED, None), (THEIRS, "theirs.pem")):
            signed = [] if key is None else ["--sign", key]
            forced = [] if version == OURS else ["--force", "--why", "to see it refused"]
            told = lambent(home, *publish, *signed, *forced)
            assert re.search(rf"published digits@{version} .*{'not signed' if key is None else 'signed by key'}", told)
        lambent(home, "label", "set", "digits", "live", str(OURS), "--state", "stack")
        yield Pinned(home, as_product(StackInfo.load(home / "stack")))
    finally:
        lambent(home, "down", "--state", "stack")


def write_folder(folder: Path) -> None:
    folder.mkdir()
    artifact = build_demo_model(default_cache_dir())
    for name, body in {**artifact.files, CONTRACT_FILE: msgspec.json.encode(artifact.contract)}.items():
        (folder / name).write_bytes(body)


def waiting_anywhere(pinned: Pinned) -> dict[str, int]:
    """Return the dead-letter queues that hold messages."""
    counts = {}
    for name in [name for name in pinned.product.info.queues if name.endswith("dead_letter")]:
        attributes = pinned.product.sqs.get_queue_attributes(
            QueueUrl=pinned.product.info.queues[name], AttributeNames=["ApproximateNumberOfMessages"]
        )
        counts[name] = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
    assert counts
    return {name: count for name, count in counts.items() if count}


def test_a_version_that_the_pinned_key_signed_is_served_at_all_doors_and_on_both_lanes(pinned: Pinned) -> None:
    pinned.go_live(OURS)

    answer = pinned.predict()
    uploaded = pinned.upload("served.png")
    jobs = [pinned.batch(f"served-{lane}", lane) for lane in ("cpu", "gpu")]

    assert (answer.status_code, answer.json()["predictions"][0]["label"]) == (200, "7")
    assert (uploaded["label"], uploaded["version"]) == ("7", "1")
    assert [(job["state"], job["done"], job["version"]) for job in jobs] == [("SUCCEEDED", 2, "1")] * 2
    assert pinned.product.http.get("/models/digits/versions/1").json()["signed_by"] is not None


@pytest.mark.parametrize("version", [UNSIGNED, THEIRS])
def test_any_other_version_is_refused_at_every_door_and_the_label_goes_back(pinned: Pinned, version: int) -> None:
    pinned.go_live(version)

    answers = [pinned.predict(), pinned.predict(f"/models/digits/versions/{version}/predict")]
    shown = pinned.product.http.get(f"/models/digits/versions/{version}")
    uploaded = pinned.upload(f"refused-{version}.png")
    jobs = [pinned.batch(f"refused-{version}-{lane}", lane) for lane in ("cpu", "gpu")]
    pinned.lambent("rollback", "digits", "--why", "not ours", "--state", "stack")

    assert [(answer.status_code, answer.json()["code"]) for answer in [*answers, shown]] == [(503, REFUSED)] * 3
    assert (uploaded["code"], uploaded["retryable"]) == (REFUSED, False)
    assert [(job["state"], job["error"]["code"]) for job in jobs] == [("FAILED", REFUSED)] * 2
    assert pinned.predict().json()["version"] == "1"
    assert pinned.upload(f"after-{version}.png")["label"] == "7"
    # All that came in between has its outcome; no message is on its way to nowhere.
    assert waiting_anywhere(pinned) == {}


@pytest.mark.parametrize("key", [[], ["--sign", "theirs.pem"]])
def test_what_the_stack_would_not_serve_is_not_published_unless_forced(pinned: Pinned, key: list[str]) -> None:
    before = pinned.product.http.get("/models/digits").json()["versions"]

    done = run(pinned.home, "publish", "model", "--state", "stack", *key)

    assert done.returncode == GATE_CLOSED
    assert "signature: expected signed by a key that this stack pins" in done.stderr
    assert pinned.product.http.get("/models/digits").json()["versions"] == before


@pytest.mark.parametrize("version", [UNSIGNED, THEIRS])
def test_no_requests_are_sent_to_a_version_that_would_refuse_them(pinned: Pinned, version: int) -> None:
    pinned.go_live(OURS)

    moves = [
        run(pinned.home, *words, "--state", "stack")
        for words in (
            ["label", "set", "digits", "live", str(version)],
            ["canary", "digits", str(version), "--weight", "10%"],
        )
    ]

    assert [(done.returncode, REFUSED in done.stderr) for done in moves] == [(REFUSED_BY_SERVICE, True)] * 2
    assert pinned.product.http.get("/models/digits").json()["labels"]["live"] == str(OURS)
    assert pinned.predict().json()["version"] == str(OURS)


def test_a_signed_version_that_is_replayed_under_a_new_number_is_refused(pinned: Pinned) -> None:
    s3, bucket = pinned.product.s3, pinned.product.info.buckets["models"]
    for found in s3.list_objects_v2(Bucket=bucket, Prefix="digits/1/")["Contents"]:
        name = found["Key"].removeprefix("digits/1/")
        s3.copy_object(Bucket=bucket, Key=f"digits/9/{name}", CopySource={"Bucket": bucket, "Key": found["Key"]})
    row = pinned.product.table.get_item(Key={"pk": "MODEL#digits", "sk": "VERSION#000001"})["Item"]
    pinned.product.table.put_item(Item={**row, "sk": "VERSION#000009", "version": 9})

    answer = pinned.predict("/models/digits/versions/9/predict")

    assert (answer.status_code, answer.json()["code"]) == (503, "model_integrity_failed")
    assert "published as digits@1" in answer.json()["detail"]
