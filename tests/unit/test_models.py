"""Publishing, labels, resolving, verified loading, golden vectors."""

from dataclasses import replace

import pytest

from builders import World, contract, golden_vectors, model_files, tell_shade
from lambent.domain.model import LIVE, ModelChoice, ModelRef
from lambent.errors import (
    AliasConflict,
    ModelFormatRefused,
    ModelIntegrityFailed,
    ModelNotFound,
    NameInvalid,
    RequestInvalid,
    Unavailable,
    VersionImmutable,
)
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label

FILES = model_files(golden_vectors(contract(), tell_shade))


def test_versions_are_numbered_from_one() -> None:
    world = World()

    refs = [world.publish() for _ in range(3)]

    assert [ref.version for ref in refs] == [1, 2, 3]
    assert set(world.store.objects) >= {"shade/1/manifest.json", "shade/1/contract.json", "shade/1/model.tflite"}


def test_a_published_version_is_never_written_again() -> None:
    world = World()
    world.publish()
    before = dict(world.store.objects)

    with pytest.raises(VersionImmutable):
        publish_first(world, {**FILES, "model.tflite": b"x"})

    assert world.store.objects == before


def test_the_manifest_is_written_after_every_other_file() -> None:
    world = World()
    written: list[str] = []
    world.store.before_call = lambda _, key: written.append(key)

    world.publish()

    assert written[-1] == "shade/1/manifest.json"


def test_who_published_a_version_and_why_stands_in_the_registry() -> None:
    world = World()

    record = publish_version(
        FILES, contract(), store=world.store, registry=world.registry, clock=world.clock, by="ann", why="more data"
    )

    assert (record.by, record.why) == ("ann", "more data")
    assert world.registry.version(record.ref) == record


def test_a_publisher_whose_name_would_not_fit_publishes_nothing() -> None:
    world = World()

    with pytest.raises(RequestInvalid, match="by is one line"):
        publish_version(
            FILES, contract(), store=world.store, registry=world.registry, clock=world.clock, by="two\nlines"
        )

    assert world.store.objects == {}


def test_a_publisher_that_died_half_way_does_not_block_the_next() -> None:
    world = World()

    def die(operation: str, key: str) -> None:
        if key.endswith("manifest.json"):
            raise Unavailable("the store is away")

    world.store.before_call = die
    with pytest.raises(Unavailable):
        world.publish()
    world.store.before_call = lambda _operation, _key: None

    ref = world.publish()

    assert world.registry.version(ref) is not None
    assert world.models().get(ref).ref == ref


def test_two_publishers_get_two_versions() -> None:
    world = World()
    world.store.objects["shade/1/model.tflite"] = b"another publisher at work"

    ref = world.publish()

    assert ref == ModelRef("shade", 2)


def test_a_label_counts_its_moves_and_a_lost_race_is_told() -> None:
    world = World()
    world.publish()
    second = world.publish()
    record = world.registry.label("shade", LIVE)
    assert record is not None
    assert (record.version, record.revision) == (second.version, 2)

    with pytest.raises(AliasConflict):
        world.registry.set_label(replace(record, version=1))


def test_a_label_cannot_point_to_what_is_not_published() -> None:
    world = World()
    world.publish()

    with pytest.raises(ModelNotFound):
        set_label("shade", LIVE, 9, registry=world.registry, clock=world.clock)


def test_no_choice_means_live_and_a_version_or_label_can_be_named() -> None:
    world = World()
    world.publish()
    world.publish()
    set_label("shade", "canary", 1, registry=world.registry, clock=world.clock)
    resolver = world.resolver()

    assert resolver.resolve(ModelChoice("shade")).version == 2
    assert resolver.resolve(ModelChoice("shade", label="canary")).version == 1
    assert resolver.resolve(ModelChoice("shade", version="1")).version == 1


def test_a_moved_label_is_seen_after_its_time_to_live_and_not_before() -> None:
    world = World()
    world.publish()
    resolver = world.resolver(label_ttl_s=3.0)
    resolver.resolve(ModelChoice("shade"))
    world.publish()

    world.clock.advance(2.9)
    early = resolver.resolve(ModelChoice("shade"))
    world.clock.advance(0.2)
    late = resolver.resolve(ModelChoice("shade"))

    assert (early.version, late.version) == (1, 2)


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        (ModelChoice("nobody"), ModelNotFound),
        (ModelChoice("shade", label="nowhere"), ModelNotFound),
        (ModelChoice("shade", version="x"), ModelNotFound),
        (ModelChoice("../shade"), NameInvalid),
    ],
)
def test_what_does_not_exist_is_not_found(choice: ModelChoice, error: type[Exception]) -> None:
    world = World()
    world.publish()

    with pytest.raises(error):
        world.resolver().resolve(choice)


@pytest.mark.parametrize("file", ["manifest.json", "contract.json", "model.tflite"])
def test_a_tampered_file_is_refused_before_the_interpreter_sees_it(file: str) -> None:
    world = World()
    ref = world.publish()
    body = bytearray(world.store.objects[ref.key(file)])
    body[len(body) // 2] ^= 1
    world.store.objects[ref.key(file)] = bytes(body)

    with pytest.raises(ModelIntegrityFailed):
        world.models().get(ref)

    assert world.loader.loads == 0


def test_a_missing_file_is_an_integrity_failure() -> None:
    world = World()
    ref = world.publish()
    del world.store.objects[ref.key("model.tflite")]

    with pytest.raises(ModelIntegrityFailed):
        world.models().get(ref)


def test_an_unknown_version_is_not_found_rather_than_broken() -> None:
    world = World()
    world.publish()

    with pytest.raises(ModelNotFound):
        world.models().get(ModelRef("shade", 99))


def test_a_version_without_a_file_for_this_lane_says_which_is_missing() -> None:
    world = World()
    ref = world.publish()
    world.loader.file = "model.onnx"

    with pytest.raises(ModelFormatRefused, match=r"model\.onnx"):
        world.models().get(ref)


def test_a_version_is_loaded_once_and_the_least_recently_used_one_is_dropped() -> None:
    world = World()
    first, second, third = (world.publish() for _ in range(3))
    models = world.models(capacity_bytes=2 * len(b"tflite"))

    for ref in (first, first, second, first, third, first):
        models.get(ref)
    assert world.loader.loads == 3

    models.get(second)
    assert world.loader.loads == 4


def test_a_publisher_that_died_before_the_registry_is_finished_by_the_same_files_under_the_same_number() -> None:
    world = World()
    add_version = world.registry.add_version

    def die(_: object) -> None:
        raise Unavailable("the registry is away")

    world.registry.add_version = die  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        publish_first(world, FILES)
    world.registry.add_version = add_version  # type: ignore[method-assign]
    world.clock.advance(10)
    publish_first(world, FILES)

    assert world.models().get(ModelRef("shade", 1)).ref == ModelRef("shade", 1)


def publish_first(world: World, files: dict[str, bytes]) -> None:
    publish_version(files, contract(), store=world.store, registry=world.registry, clock=world.clock, version=1)
