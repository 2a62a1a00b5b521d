"""Door 2: uploaded manifests, tables and archives into jobs."""

import json
from hashlib import sha256
from io import BytesIO
from zipfile import ZipFile

import pytest
from job_steps import run_cpu
from test_upload_grants import granter
from test_uploads import ingest

from builders import TENANT, World, picture
from lambent.contracts.uploads import UploadRequest
from lambent.domain.job_states import JobState
from lambent.services import ingest_batch
from lambent.services.ingest import Upload

NAME = "day 1/items+é.jsonl"
KEY = f"inbox/{TENANT}/shade/{NAME}"
RESULT = f"results/{TENANT}/shade/{NAME}.json"
ERROR = f"results/{TENANT}/shade/{NAME}.error.json"


def ready() -> World:
    world = World()
    world.publish()
    world.data.objects[f"inputs/{TENANT}/dark.png"] = picture(0)
    world.data.objects[f"inbox/{TENANT}/shade/day 1/bright.png"] = picture(255)
    return world


def lines(*uris: str) -> bytes:
    return b"".join(json.dumps({"id": f"i{n}", "uri": uri}).encode() + b"\n" for n, uri in enumerate(uris))


MANIFEST = lines(f"s3://fake-bucket/inputs/{TENANT}/dark.png", "bright.png")


def put(world: World, body: bytes, key: str = KEY) -> Upload:
    world.data.objects[key] = body
    return Upload(key, world.data.head(key).etag)


def drain(world: World) -> list:
    """Run what was submitted; return the jobs as they ended."""
    for body, attributes in world.batch_queue.sent:
        world.dispatcher().dispatch(attributes["tenant"], body.decode())
        run_cpu(world)
    world.batch_queue.sent.clear()
    return list(world.jobs.jobs.values())


def told(world: World, key: str = RESULT) -> dict:
    return json.loads(world.data.objects[key])


def test_an_uploaded_manifest_is_a_job_and_its_result_object_says_which() -> None:
    world = ready()
    event = put(world, MANIFEST)

    assert ingest(world).ingest(event) is None
    (job,) = drain(world)

    assert told(world) == {
        "source": "items+é.jsonl",
        "source_etag": event.etag,
        "model": "shade",
        "job": {"id": job.job_id, "path": f"/jobs/{job.job_id}", "files": f"jobs/{TENANT}/{job.job_id}/"},
    }
    assert (job.tenant, job.state, job.done, job.version) == (TENANT, JobState.SUCCEEDED, 2, 1)
    assert world.infer_queue.sent == []


@pytest.mark.parametrize("name", ["items.csv", "ITEMS.Csv", "all.zip"])
def test_an_uploaded_table_or_archive_is_a_job(name: str) -> None:
    world = ready()
    archive = BytesIO()
    with ZipFile(archive, "w") as members:
        members.writestr("a.png", picture(0))
    table = f"uri\ns3://fake-bucket/inputs/{TENANT}/dark.png\n".encode()

    event = put(world, archive.getvalue() if name.endswith("zip") else table, f"inbox/{TENANT}/shade/{name}")
    ingest(world).ingest(event)
    (job,) = drain(world)

    assert (job.state, job.done) == (JobState.SUCCEEDED, 1)


def test_the_same_event_twice_is_one_job() -> None:
    world = ready()
    event = put(world, MANIFEST)

    ingest(world).ingest(event)
    ingest(world).ingest(event)
    first = told(world)
    jobs = drain(world)
    ingest(world).ingest(event)

    assert (len(jobs), len(world.jobs.jobs), world.batch_queue.sent) == (1, 1, [])
    assert told(world) == first


def test_a_manifest_overwritten_before_it_is_planned_fails_its_job_and_the_newer_has_its_own() -> None:
    world = ready()
    ingest(world).ingest(put(world, MANIFEST))
    ingest(world).ingest(put(world, lines("bright.png")))

    jobs = {job.state: job for job in drain(world)}

    assert jobs[JobState.FAILED].error["code"] == "source_changed"
    assert jobs[JobState.SUCCEEDED].done == 1
    assert told(world)["job"]["id"] == jobs[JobState.SUCCEEDED].job_id


def test_a_late_event_of_an_overwritten_manifest_leaves_its_successor_alone() -> None:
    world = ready()
    late = put(world, MANIFEST)
    ingest(world).ingest(put(world, lines("bright.png")))
    known = told(world)

    error = ingest(world).ingest(late)

    assert (error.code, told(world), ERROR in world.data.objects) == ("source_changed", known, False)
    assert len(world.jobs.jobs) == 1


def test_an_event_without_an_etag_means_what_lies_there() -> None:
    world = ready()
    put(world, MANIFEST)

    assert ingest(world).ingest(Upload(KEY, "")) is None
    assert drain(world)[0].done == 2


@pytest.mark.parametrize(
    ("key", "body", "code"),
    [
        (KEY, b"", "source_empty"),
        (KEY, None, "source_gone"),
        (KEY, bytes(51), "payload_too_large"),
        (f"inbox/{TENANT}/shade/all.zip", bytes(61), "payload_too_large"),
        (f"inbox/{TENANT}/nobody/items.jsonl", MANIFEST, "model_not_found"),
        (f"inbox/{TENANT}/Shade/items.jsonl", MANIFEST, "upload_key_invalid"),
        (f"inbox/{TENANT}/items.jsonl", MANIFEST, "upload_key_invalid"),
        ("inbox/../shade/items.jsonl", MANIFEST, "upload_key_invalid"),
    ],
)
def test_an_upload_that_can_be_no_job_has_an_error_object_and_is_not_retried(
    key: str, body: bytes | None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_batch, "MAX_MANIFEST_BYTES", 50)
    monkeypatch.setattr(ingest_batch, "MAX_ZIP_BYTES", 60)
    world = ready()
    event = put(world, body, key) if body is not None else Upload(key, "0" * 32)

    error = ingest(world).ingest(event)

    assert error.code == code
    stem = key.replace("inbox/", "results/", 1)
    assert json.loads(world.data.objects[f"{stem}.error.json"])["code"] == code
    assert (world.jobs.jobs, world.batch_queue.sent) == ({}, [])


def test_a_manifest_cannot_reach_what_is_another_tenants() -> None:
    world = ready()
    ingest(world).ingest(put(world, lines("s3://fake-bucket/inbox/other/shade/a.png", "../../other/shade/a.png")))

    (job,) = drain(world)

    assert (job.state, job.error["code"], job.error["got"]) == (JobState.FAILED, "manifest_invalid", 2)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (MANIFEST, "application/x-ndjson", None),
        (MANIFEST.replace(b"i0", b"j0"), "application/x-ndjson", "checksum_mismatch"),
        (MANIFEST + b"\n", "application/x-ndjson", "payload_too_large"),
        (MANIFEST, "text/csv", "media_type_unsupported"),
    ],
)
def test_a_granted_manifest_is_a_job_of_the_grant_s_version_if_it_is_what_was_announced(
    body: bytes, content_type: str, code: str | None
) -> None:
    world = ready()
    world.publish()
    asked = UploadRequest(
        model="shade",
        version="1",
        name="items.jsonl",
        content_type="application/x-ndjson",
        sha256=sha256(MANIFEST).hexdigest(),
        size_bytes=len(MANIFEST),
    )
    key = granter(world).grant(TENANT, asked).upload.fields["key"]
    world.data.write(f"{key.rpartition('/')[0]}/bright.png", picture(255), content_type="image/png")
    world.data.write(key, body, content_type=content_type)

    error = ingest(world).ingest(Upload(key, ""))

    if code is None:
        (job,) = drain(world)
        assert (error, job.state, job.version) == (None, JobState.SUCCEEDED, 1)
    else:
        assert (error.code, world.jobs.jobs) == (code, {})
