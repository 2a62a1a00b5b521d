"""Door 2: uploads into results or error objects."""

import json
from dataclasses import replace

import msgspec
import pytest

from builders import TENANT, World, picture
from lambent.contracts.messages import InferMessage, TensorMessage
from lambent.contracts.model import RawOutputs
from lambent.contracts.object_events import ObjectEvent, read_object_events
from lambent.domain.names import result_stem, upload_key_of
from lambent.errors import Misconfigured, SourceEmpty, Unavailable, UploadKeyInvalid
from lambent.ports import StoredObject
from lambent.services.infer import InferService
from lambent.services.ingest import MOST_PREPROCESSORS, IngestService, Upload
from lambent.services.outcome import write_failure
from lambent_toolkit.fakes import FakeObjectStore

KEY = f"inbox/{TENANT}/shade/a.png"
RESULT = f"results/{TENANT}/shade/a.png.json"
ERROR = f"results/{TENANT}/shade/a.png.error.json"


def ingest(world: World) -> IngestService:
    return IngestService(
        data=world.data,
        grants=world.grants,
        resolver=world.resolver(),
        files=world.files,
        queue=world.infer_queue,
        batches=world.uploaded_batches,
        max_upload_bytes=5_000,
    )


def upload(world: World, body: bytes, key: str = KEY) -> Upload:
    world.data.objects[key] = body
    return Upload(key, world.data.read(key).etag)


def drain(world: World) -> None:
    service = InferService(data=world.data, models=world.models())
    for body, _ in world.infer_queue.sent:
        message = msgspec.json.decode(body, type=InferMessage)
        assert isinstance(message, TensorMessage)
        service.infer(message)
    world.infer_queue.sent.clear()


def test_an_upload_ends_in_one_result_that_names_its_source_model_and_label() -> None:
    world = World()
    world.publish()
    event = upload(world, picture(255))

    assert ingest(world).ingest(event) is None
    drain(world)

    result = json.loads(world.data.objects[RESULT])
    assert (result["source"], result["source_etag"]) == ("a.png", event.etag)
    assert (result["model"], result["version"], result["label"], result["score"]) == ("shade", "1", "bright", 1.0)
    assert ERROR not in world.data.objects


def test_an_upload_to_a_model_without_labels_ends_in_its_outputs() -> None:
    world = World()
    world.publish(postprocessing=RawOutputs())

    assert ingest(world).ingest(upload(world, picture(255))) is None
    drain(world)

    result = json.loads(world.data.objects[RESULT])
    assert result["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [2], "data": [0.0, 1.0]}]
    assert ERROR not in world.data.objects


def test_the_same_event_twice_gives_the_same_outcome() -> None:
    world = World()
    world.publish()
    event = upload(world, picture(0))
    service = ingest(world)

    service.ingest(event)
    service.ingest(event)
    first, second = (body for body, _ in world.infer_queue.sent)
    drain(world)

    assert first == second
    assert [key for key in world.data.objects if key.startswith("results/")] == [RESULT]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "source_empty"),
        (b"just text", "image_format_unsupported"),
        (picture(9)[:30], "image_corrupt"),
        (bytes(5_001), "payload_too_large"),
    ],
)
def test_a_bad_upload_gets_an_error_object_beside_where_the_result_would_be(body: bytes, code: str) -> None:
    world = World()
    world.publish()

    error = ingest(world).ingest(upload(world, body))

    recorded = json.loads(world.data.objects[ERROR])
    assert error is not None
    assert (error.code, recorded["code"], recorded["retryable"]) == (code, code, False)
    assert recorded["error"] == recorded["detail"]
    assert world.infer_queue.sent == []


def test_an_unknown_model_gets_an_error_object() -> None:
    world = World()

    ingest(world).ingest(upload(world, picture()))

    assert json.loads(world.data.objects[ERROR])["code"] == "model_not_found"


def test_a_key_without_tenant_and_model_gets_an_error_object() -> None:
    world = World()

    ingest(world).ingest(upload(world, picture(), key="inbox/lost.png"))

    assert json.loads(world.data.objects["results/lost.png.error.json"])["code"] == "upload_key_invalid"


class Unreadable(FakeObjectStore):
    """Results that the function's own role may write and not read."""

    def etag(self, key: str) -> str | None:  # noqa: ARG002 - as its port has it
        raise Misconfigured("The data store refused the service's own access.")

    def read(self, key: str, *, max_bytes: int | None = None) -> StoredObject:  # noqa: ARG002 - as its port has it
        raise Misconfigured("The data store refused the service's own access.")


def test_the_error_of_a_key_that_is_no_tenants_is_written_without_reading_anything() -> None:
    world = World(data=Unreadable())

    error = ingest(world).ingest(Upload("inbox/No Tenant/shade/a.png", "e"))

    assert isinstance(error, UploadKeyInvalid)
    assert list(world.data.objects) == ["results/No Tenant/shade/a.png.error.json"]


def test_a_deleted_upload_is_recorded_and_not_retried() -> None:
    world = World()
    world.publish()

    error = ingest(world).ingest(Upload(KEY, "etag"))

    assert error is not None
    assert json.loads(world.data.objects[ERROR])["code"] == "source_gone"


def test_a_late_event_of_an_overwritten_upload_leaves_the_newer_result_alone() -> None:
    world = World()
    world.publish()
    old = upload(world, picture(0))
    new = upload(world, picture(255))
    service = ingest(world)

    service.ingest(new)
    drain(world)
    error = service.ingest(old)

    assert error is not None
    assert error.code == "source_changed"
    assert json.loads(world.data.objects[RESULT])["label"] == "bright"
    assert ERROR not in world.data.objects


def test_a_duplicate_event_after_the_upload_was_deleted_leaves_its_result_alone() -> None:
    world = World()
    world.publish()
    event = upload(world, picture(255))
    service = ingest(world)
    service.ingest(event)
    drain(world)

    del world.data.objects[KEY]
    service.ingest(event)

    assert RESULT in world.data.objects
    assert ERROR not in world.data.objects


def test_a_late_inference_of_an_overwritten_upload_does_not_replace_the_newer_outcome() -> None:
    world = World()
    world.publish()
    service = ingest(world)
    service.ingest(upload(world, picture(0)))
    late = list(world.infer_queue.sent)
    world.infer_queue.sent.clear()

    service.ingest(upload(world, b"not a picture"))
    world.infer_queue.sent += late
    drain(world)

    assert RESULT not in world.data.objects
    assert json.loads(world.data.objects[ERROR])["code"] == "image_format_unsupported"


def test_a_good_upload_after_a_bad_one_of_the_same_name_replaces_its_error() -> None:
    world = World()
    world.publish()
    service = ingest(world)

    service.ingest(upload(world, b"bad"))
    service.ingest(upload(world, picture(255)))
    drain(world)

    assert RESULT in world.data.objects
    assert ERROR not in world.data.objects


def test_a_store_that_is_away_raises_so_that_the_event_comes_again() -> None:
    world = World()
    world.publish()
    event = upload(world, picture())

    def fail(operation: str, key: str) -> None:
        if key == KEY:
            raise Unavailable("away")

    world.data.before_call = fail

    with pytest.raises(Unavailable):
        ingest(world).ingest(event)
    assert ERROR not in world.data.objects


def test_a_version_that_broke_after_preprocessing_is_recorded_for_the_upload() -> None:
    world = World()
    ref = world.publish()
    ingest(world).ingest(upload(world, picture()))
    world.store.objects[ref.key("model.tflite")] = b"tampered"

    drain(world)

    assert json.loads(world.data.objects[ERROR])["code"] == "model_integrity_failed"


def test_no_more_than_a_few_versions_keep_their_preprocessing_in_memory() -> None:
    world = World()
    service = ingest(world)
    for number in range(MOST_PREPROCESSORS + 2):
        world.publish(name=f"shade-{number}")

        service.ingest(upload(world, picture(), key=f"inbox/{TENANT}/shade-{number}/a.png"))

    assert len(world.infer_queue.sent) == MOST_PREPROCESSORS + 2
    assert len(service._preprocessors) == MOST_PREPROCESSORS


def event_of(sequencer: object) -> ObjectEvent:
    thing = {"key": "inbox/a", "eTag": "e", "sequencer": sequencer}
    change = {"bucket": {"name": "b"}, "object": thing}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": change}
    (event,) = read_object_events(json.dumps({"Records": [record]}))
    return event


@pytest.mark.parametrize("sequencer", ["0055AED6DCD90281E5", "a"])
def test_an_event_keeps_its_place_among_those_of_its_key(sequencer: str) -> None:
    assert event_of(sequencer).sequencer == sequencer


@pytest.mark.parametrize("sequencer", ["", "no number", "0" * 65, None])
def test_what_is_no_sequencer_orders_nothing(sequencer: object) -> None:
    assert event_of(sequencer).sequencer is None


@pytest.mark.parametrize(
    ("old", "new"), [("9", "A"), ("F", "10"), ("0055AED6DCD90281E5", "0055aed6dcd90281e6"), ("00F", "1f")]
)
def test_sequencers_are_compared_as_the_numbers_that_they_are(old: str, new: str) -> None:
    world = World()
    world.publish()
    service = ingest(world)
    first, second = upload(world, b"bad"), upload(world, b"worse")
    del world.data.objects[KEY]

    service.ingest(replace(second, sequencer=new))
    service.ingest(replace(first, sequencer=old))

    assert json.loads(world.data.objects[ERROR])["source_etag"] == second.etag
    assert json.loads(world.data.objects[ERROR])["source_sequencer"] == new


def test_a_version_that_broke_since_replaces_the_result_of_the_same_bytes() -> None:
    world = World()
    ref = world.publish()
    event = upload(world, picture())
    ingest(world).ingest(event)
    drain(world)
    had_result = RESULT in world.data.objects
    ingest(world).ingest(event)
    world.store.objects[ref.key("model.tflite")] = b"tampered"

    drain(world)

    assert had_result
    assert (RESULT in world.data.objects, ERROR in world.data.objects) == (False, True)


def test_the_end_of_a_name_too_long_to_be_kept_is_told_without_its_key() -> None:
    world = World()
    key = f"inbox/{TENANT}/shade/{'n' * 1000}"
    world.data.objects[key] = b"bad"

    write_failure(world.data, result_stem(key), SourceEmpty("Empty."), source_name="n", source_etag="e")

    assert upload_key_of(result_stem(key)) is None
    assert upload_key_of(result_stem(KEY)) == KEY
    assert json.loads(world.data.objects[f"{result_stem(key)}.error.json"])["code"] == "source_empty"
