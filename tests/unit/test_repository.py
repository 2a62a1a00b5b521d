"""What is served, for every environment; what is said about what does not exist."""

from __future__ import annotations

import pytest

from builders import World
from lambent.domain.model import LIVE, ModelChoice, ModelRef
from lambent.errors import ModelIntegrityFailed, ModelNotFound, ModelNotReady, NameInvalid
from lambent.services.describe import DescribeService
from lambent.services.repository import RepositoryService
from lambent.services.set_label import set_label

SHADE = ModelChoice("shade")
LABEL_TTL_S = 3.0


def repository(world: World) -> RepositoryService:
    return RepositoryService(world.registry, world.resolver(LABEL_TTL_S), world.models(), world.clock)


@pytest.fixture
def world() -> World:
    world = World()
    world.publish()
    return world


@pytest.mark.parametrize("choice", [SHADE, ModelChoice("shade", version="1"), ModelChoice("shade", label=LIVE)])
def test_other_environments_learn_of_it_within_the_time_that_a_label_is_remembered(
    world: World, choice: ModelChoice
) -> None:
    elsewhere = world.resolver(LABEL_TTL_S)
    elsewhere.resolve(choice)

    repository(world).unload("shade", by="ann")

    assert elsewhere.resolve(choice) == ModelRef("shade", 1)
    world.clock.advance(LABEL_TTL_S)
    with pytest.raises(ModelNotReady, match="unloaded this model at"):
        elsewhere.resolve(choice)


def test_a_loaded_model_answers_everywhere_at_once(world: World) -> None:
    elsewhere = world.resolver(LABEL_TTL_S)
    repository(world).unload("shade", by="ann")
    with pytest.raises(ModelNotReady):
        elsewhere.resolve(SHADE)

    repository(world).load("shade", by="ann")

    assert elsewhere.resolve(SHADE) == ModelRef("shade", 1)


def test_the_environment_that_unloads_knows_it_at_once(world: World) -> None:
    resolver = world.resolver(LABEL_TTL_S)
    service = RepositoryService(world.registry, resolver, world.models(), world.clock)
    resolver.resolve(SHADE)

    service.unload("shade", by="ann")

    with pytest.raises(ModelNotReady):
        resolver.resolve(SHADE)


def test_a_version_that_does_not_load_leaves_the_model_unloaded(world: World) -> None:
    service = repository(world)
    service.unload("shade", by="ann")
    world.store.objects["shade/1/model.tflite"] = b"tampered with"

    with pytest.raises(ModelIntegrityFailed):
        service.load("shade", by="ann")

    assert [entry["state"] for entry in service.index()] == ["UNAVAILABLE"]


def test_the_index_lists_every_version_with_its_models_state(world: World) -> None:
    world.publish()
    world.publish(name="tint")
    service = repository(world)

    service.unload("shade", by="ann")

    assert [(entry["name"], entry["version"], entry["state"]) for entry in service.index()] == [
        ("shade", "1", "UNAVAILABLE"),
        ("shade", "2", "UNAVAILABLE"),
        ("tint", "1", "READY"),
    ]
    assert [entry["name"] for entry in service.index(is_ready_only=True)] == ["tint"]


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_what_does_not_exist_is_neither_loaded_nor_unloaded(world: World, verb: str) -> None:
    with pytest.raises(ModelNotFound):
        getattr(repository(world), verb)("nobody", by="ann")
    with pytest.raises(NameInvalid):
        getattr(repository(world), verb)("../shade", by="ann")
    assert world.registry.unloaded == {}


def test_up_to_five_names_like_the_unknown_one_are_told(world: World) -> None:
    for name in ("shade-a", "shade-b", "shade-c", "shade-d", "shade-e", "wine"):
        world.publish(name=name)

    with pytest.raises(ModelNotFound, match="Did you mean") as refusal:
        world.resolver().resolve(ModelChoice("shape"))

    assert len(refusal.value.limit) == 5
    assert refusal.value.limit[0] == "shade"
    assert "wine" not in refusal.value.limit


def test_a_name_like_no_other_is_pointed_to_the_list(world: World) -> None:
    with pytest.raises(ModelNotFound, match="GET /models") as refusal:
        DescribeService(world.registry).versions("zzz")

    assert refusal.value.limit is None


def test_an_unknown_label_is_told_the_labels(world: World) -> None:
    set_label("shade", "next", 1, registry=world.registry, clock=world.clock)

    for look in (world.resolver().resolve, DescribeService(world.registry).ref):
        with pytest.raises(ModelNotFound) as refusal:
            look(ModelChoice("shade", label="beta"))

        assert (refusal.value.field, refusal.value.limit) == ("label", ["live", "next"])


def test_a_model_without_labels_is_told_to_be_named_by_version(world: World) -> None:
    world.registry.label_records.clear()

    with pytest.raises(ModelNotFound, match="none yet: name a version"):
        world.resolver().resolve(SHADE)


def test_the_names_that_callers_make_up_are_not_remembered_without_end(world: World, monkeypatch) -> None:
    monkeypatch.setattr("lambent.services.load_model._MOST_NAMES", 10)
    resolver = world.resolver(LABEL_TTL_S)

    for number in range(100):
        resolver.resolve(ModelChoice(f"made-up-{number}", version="1"))

    assert len(resolver._served_until_s) <= 10
