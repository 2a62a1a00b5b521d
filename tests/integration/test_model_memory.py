"""Several models and versions in one process, with real LiteRT files: who stays, who goes, and all answer rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent.adapters.litert import LiteInterpreter, LiteInterpreterLoader
from lambent.contracts.model import ModelContract
from lambent.domain.model import GOLDEN_FILE, TFLITE_FILE, ModelRef
from lambent.services.golden import GoldenVectors
from lambent.services.load_model import ModelCache
from lambent.services.publish import publish_version
from lambent.services.version_files import VersionFiles
from lambent_toolkit.fakes import FakeAudit, FakeClock, FakeObjectStore, FakeRegistry
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.recipe_cache import build_recipe, default_cache_dir

pytestmark = [FOREIGN_WARNINGS]


class CountingLoader(LiteInterpreterLoader):
    """Tells which models it loaded, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def load(self, model: Path, contract: ModelContract) -> LiteInterpreter:
        self.loaded.append(contract.name)
        return super().load(model, contract)


@pytest.fixture(scope="module")
def artifacts() -> dict[str, Artifact]:
    return {name: build_recipe(name, default_cache_dir()) for name in ("language", "wine")}


def size(artifact: Artifact) -> int:
    return len(artifact.files[TFLITE_FILE])


def difference(models: ModelCache, ref: ModelRef, artifact: Artifact) -> float:
    """Return how far one version's answers lie from its golden outputs."""
    golden = GoldenVectors.from_npz(artifact.files[GOLDEN_FILE])
    served = models.get(ref)
    batch = served.preprocessor.collate([served.preprocessor.prepare(item) for item in golden.raw])
    return float(np.abs(served.interpreter.run(batch)["scores"] - golden.outputs["scores"]).max())


def test_the_least_recently_used_version_makes_room_and_comes_back_when_it_is_asked_for(
    artifacts: dict[str, Artifact],
) -> None:
    language, wine = artifacts["language"], artifacts["wine"]
    store, registry, clock, loader = FakeObjectStore(), FakeRegistry(), FakeClock(), CountingLoader()
    text, text_again, table = (
        publish_version(each.files, each.contract, store=store, registry=registry, clock=clock).ref
        for each in (language, language, wine)
    )
    # Room for one version of the text model and the table model, not for two of the text model.
    models = ModelCache(
        VersionFiles(registry, store, FakeAudit()), loader, clock, capacity_bytes=size(language) + 2 * size(wine)
    )

    calls = [(text, language), (table, wine), (text, language), (text_again, language), (table, wine), (text, language)]
    differences = [difference(models, ref, artifact) for ref, artifact in calls]

    assert max(differences) <= language.contract.golden_tolerance
    assert loader.loaded == ["language", "wine", "language", "wine", "language"]
