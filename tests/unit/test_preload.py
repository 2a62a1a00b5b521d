"""Models are loaded while PredictFunction starts, and a failure there is nobody's outage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_runtime import PREDICT

from builders import World
from lambent.runtime import preload, wiring
from lambent.services.predict import PredictService


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World()
    service = PredictService(world.resolver(), world.models())
    monkeypatch.setattr(wiring, "predict_service", lambda: service)
    # What the first import of the logger and metrics reads, in whichever test that is.
    powertools = {"POWERTOOLS_SERVICE_NAME": "lambent", "POWERTOOLS_METRICS_NAMESPACE": "Lambent"}
    for name, value in {**PREDICT, **powertools}.items():
        monkeypatch.setenv(name, value)
    yield world
    preload.await_preload()


def _start(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    monkeypatch.setenv("PRELOAD_MODELS", names)
    preload.begin_preload()
    preload.await_preload()


def test_live_versions_are_loaded_before_the_first_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = world.publish()

    _start(monkeypatch, ref.name)

    assert world.loader.loads == 1


def test_without_names_nothing_is_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish()

    monkeypatch.setenv("PRELOAD_MODELS", "")
    preload.begin_preload()

    assert preload._threads == []
    assert world.loader.loads == 0


def test_a_model_that_cannot_be_loaded_is_logged_and_the_next_one_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from lambent.runtime import observability

    monkeypatch.setattr(observability.logger._logger, "propagate", True)
    ref = world.publish()

    _start(monkeypatch, f"nobody,{ref.name}")

    assert world.loader.loads == 1
    assert [record.model for record in caplog.records if record.message == "preload failed"] == ["nobody"]


def test_a_surprise_while_preloading_does_not_break_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "predict_service", lambda: None)

    _start(monkeypatch, "digits")

    assert preload._threads == []


def test_settings_that_are_wrong_are_left_for_the_first_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TABLE_NAME")

    _start(monkeypatch, "digits")

    assert preload._threads == []
