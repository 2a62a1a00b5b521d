"""Models by what a person calls them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from builders import World, contract, golden_vectors, model_files, tell_shade
from lambent.domain.model import LIVE, ModelRef
from lambent.errors import ModelNotFound
from lambent.services.publish import publish_version
from lambent.services.set_label import set_label
from lambent_toolkit.modelkit.errors import DataNeeded, DataUnknown
from lambent_toolkit.modelkit.named_models import NamedModels, is_version
from lambent_toolkit.modelkit.step_files import to_json
from measured import classifier_report


@dataclass(frozen=True)
class OnFakes(NamedModels):
    """Named models whose stack is one of fakes."""

    world: World

    def _rollout(self) -> World:
        return self.world


@pytest.fixture
def models(tmp_path: Path) -> OnFakes:
    return OnFakes(tmp_path, World())


def publish_reported(world: World) -> ModelRef:
    """Publish a version whose report is on data called animals, which is not known here."""
    report = {"report.json": to_json(classifier_report([0, 1], [0, 1]))}
    files = {**model_files(golden_vectors(contract(), tell_shade)), **report}
    ref = publish_version(files, contract(), store=world.store, registry=world.registry, clock=world.clock).ref
    set_label(ref.name, LIVE, ref.version, registry=world.registry, clock=world.clock)
    return ref


def test_a_folder_is_a_folder_even_with_an_at_sign_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "digits@3").mkdir()

    assert not is_version(str(tmp_path / "digits@3"))
    assert is_version("digits@3")
    assert is_version("digits@live")
    assert not is_version("digits")


@pytest.mark.parametrize("name", ["shade@1", "shade@live"])
def test_a_published_version_is_ready_with_the_name_of_its_data(models: OnFakes, name: str) -> None:
    publish_reported(models.world)

    ready = models.ready(name)

    assert (ready.subject.name, ready.subject.published, ready.data_name) == ("shade@1", "int8", "animals")
    assert ready.subject.files == {"int8": b"tflite"}
    assert ready.subject.source.kind == "version"


def test_a_version_without_report_is_ready_but_data_has_to_be_named(models: OnFakes, tmp_path: Path) -> None:
    models.world.publish()

    assert models.ready("shade@1").data_name is None
    with pytest.raises(DataNeeded, match="shade@1 was published without a report: name data by --data"):
        models.evaluate_version("shade@1", tmp_path)


def test_data_of_a_report_that_is_not_known_here_has_to_be_named(models: OnFakes, tmp_path: Path) -> None:
    publish_reported(models.world)

    with pytest.raises(DataNeeded, match="'animals', which is not known here"):
        models.evaluate_version("shade@1", tmp_path)
    with pytest.raises(DataUnknown):
        models.evaluate_version("shade@1", tmp_path, data_name="plants")
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_does_not_exist_is_not_found(models: OnFakes) -> None:
    with pytest.raises(ModelNotFound):
        models.ready("shade@7")
