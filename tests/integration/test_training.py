"""Training: resumed as if never stopped, stopped early with the best weights, and told when it cannot succeed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent.contracts.model import ModelContract
from lambent_toolkit.modelkit import keras_training
from lambent_toolkit.modelkit.checkpoints import Checkpoints
from lambent_toolkit.modelkit.errors import (
    FolderNotWritable,
    RecipeFailed,
    RecipeUnfit,
    TrainingDiverged,
    TrainingInterrupted,
)
from lambent_toolkit.modelkit.recipe import Split, prepare
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.stopping import Stop
from lambent_toolkit.modelkit.training import Trained, train
from lambent_toolkit.modelkit.watcher import Silence
from lambent_toolkit.modelkit.workbench import Workbench
from patience import PATIENCE_S, wait_for

pytestmark = [FOREIGN_WARNINGS]
WINE = RECIPES["wine"].having(epochs=3)


def thaw_and_slow_down(model: Any, _settings: Any) -> None:
    import keras

    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


TWO_PHASES = replace(WINE.having(epochs=2, fine_tune_epochs=2), fine_tune=thaw_and_slow_down)


class CtrlC(Silence):
    """Presses Ctrl-C in the first batch of an epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, phase: str, epoch: int) -> None:
        monkeypatch.setattr(keras_training, "_SHOW_EVERY_S", 0)
        self._phase, self._epoch, self._is_now = phase, epoch, False

    def begin(self, what: str, *, total: int) -> None:  # noqa: ARG002 - the port's signature
        self._is_now = what.startswith(self._phase)

    def show(self, done: float, note: str = "") -> None:  # noqa: ARG002 - the port's signature
        if self._is_now and self._epoch - 1 < done < self._epoch:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def split() -> Split:
    return prepare(WINE)


@pytest.fixture(scope="module")
def in_one_go(split: Split, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    folder = tmp_path_factory.mktemp("one-go")
    return train(TWO_PHASES, split, folder=folder), folder


@pytest.mark.parametrize(("phase", "epoch", "kept"), [("train", 2, 1), ("fine-tune", 1, 2), ("fine-tune", 2, 3)])
def test_resumed_training_gives_the_weights_of_one_in_one_go(
    split: Split,
    in_one_go: tuple[Trained, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    epoch: int,
    kept: int,
) -> None:
    expected, _ = in_one_go
    with pytest.raises(KeyboardInterrupt):
        train(TWO_PHASES, split, folder=tmp_path, watcher=CtrlC(monkeypatch, phase=phase, epoch=epoch))

    resumed = train(TWO_PHASES, split, folder=tmp_path)

    assert (expected.resumed_after, resumed.resumed_after) == (0, kept)
    assert measured(resumed) == measured(expected)
    weights = zip(resumed.model.get_weights(), expected.model.get_weights(), strict=True)
    assert all(np.array_equal(first, second) for first, second in weights)


class Asking(CtrlC):
    """Asks for a stop in the first batch of an epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, phase: str, epoch: int) -> None:
        super().__init__(monkeypatch, phase=phase, epoch=epoch)
        self.stop = Stop()

    def show(self, done: float, note: str = "") -> None:
        try:
            super().show(done, note)
        except KeyboardInterrupt:
            self.stop.ask()


@pytest.mark.parametrize(("phase", "epoch", "kept"), [("train", 1, 0), ("fine-tune", 1, 2), ("fine-tune", 2, 3)])
def test_training_asked_to_stop_loses_no_batch_and_gives_the_weights_of_one_in_one_go(
    split: Split,
    in_one_go: tuple[Trained, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    epoch: int,
    kept: int,
) -> None:
    expected, _ = in_one_go
    watcher, saved = Asking(monkeypatch, phase=phase, epoch=epoch), []
    with pytest.raises(KeyboardInterrupt):
        train(
            TWO_PHASES,
            split,
            folder=tmp_path,
            on_checkpoint=lambda: saved.append(Checkpoints(tmp_path / "checkpoints").newest()),
            stop=watcher.stop,
            watcher=watcher,
        )

    resumed = train(TWO_PHASES, split, folder=tmp_path)

    assert [(len(each.figures), each.batches) for each in saved] == [
        *((done + 1, 0) for done in range(kept)),
        (kept, 1),
    ]
    assert resumed.resumed_after == kept
    assert measured(resumed) == measured(expected)
    weights = zip(resumed.model.get_weights(), expected.model.get_weights(), strict=True)
    assert all(np.array_equal(first, second) for first, second in weights)


def measured(trained: Trained) -> list[tuple[int, str, dict[str, float], dict[str, float]]]:
    return [(each.epoch, each.phase, each.train, each.validation) for each in trained.epochs]


def test_event_files_hold_every_epoch_under_kerass_names(in_one_go: tuple[Trained, Path]) -> None:
    from tensorflow.compat.v1.train import summary_iterator
    from tensorflow.python.framework.tensor_util import MakeNdarray

    trained, folder = in_one_go
    for run in ("train", "validation"):
        (file,) = (folder / "logs" / run).iterdir()
        found = [
            (event.step, float(MakeNdarray(value.tensor)), value.metadata.plugin_data.plugin_name)
            for event in summary_iterator(str(file))
            for value in event.summary.value
            if value.tag == "epoch_loss"
        ]

        losses = [getattr(each, run)["loss"] for each in trained.epochs]
        assert [step for step, _, _ in found] == list(range(len(losses)))
        assert [value for _, value, _ in found] == pytest.approx(losses)
        assert found[0][2] == "scalars"


def test_training_stops_when_the_validation_loss_no_longer_falls_and_keeps_the_best_weights(split: Split) -> None:
    hasty = WINE.having(epochs=30, patience_epochs=1, learning_rate=0.3)

    trained = train(hasty, split)

    losses = [each.validation["loss"] for each in trained.epochs]
    assert trained.stopped_early
    assert len(losses) < 30
    assert trained.best_epoch == int(np.argmin(losses)) + 1 == len(losses) - 1
    scored = trained.model.evaluate(split.validation.tensors["analysis"], split.validation.targets, verbose=0)
    assert scored[0] == pytest.approx(min(losses), rel=1e-4)


def test_loss_that_is_no_number_ends_the_training_at_once_and_writes_nothing(tmp_path: Path) -> None:
    def diverging(contract: ModelContract, settings: Any) -> Any:
        model = RECIPES["wine"].model(contract, settings)
        model.compile("adam", loss=lambda _true, scores: scores[:, 0] * float("nan"))
        return model

    with pytest.raises(TrainingDiverged, match=r"training loss became nan at epoch 1, batch 1 of 7.*rate 0\.001"):
        Workbench(tmp_path).train(replace(WINE, model=diverging))

    assert not list(tmp_path.rglob("*.*"))


def test_full_disk_is_told_and_the_model_before_is_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.keras").write_bytes(b"the model before")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderNotWritable, match="checkpoints: No space left on device"):
        Workbench(tmp_path).train(WINE)

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["model.keras"]
    assert (tmp_path / "model.keras").read_bytes() == b"the model before"


def network(*, outputs: int) -> Any:
    import keras

    return keras.Sequential([keras.Input((13,), name="analysis"), keras.layers.Dense(outputs, name="scores")])


def wrong_output(_contract: ModelContract, _settings: Any) -> Any:
    model = network(outputs=2)
    model.compile("adam", loss="mse")
    return model


def not_compiled(_contract: ModelContract, _settings: Any) -> Any:
    return network(outputs=3)


def wrong_loss(contract: ModelContract, settings: Any) -> Any:
    model = RECIPES["wine"].model(contract, settings)
    model.compile("adam", loss="categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (wrong_output, RecipeUnfit, r"output scores has the shape \[-1, 2\], the contract of wine declares \[-1, 3\]"),
        (not_compiled, RecipeUnfit, "must return a compiled model"),
        (lambda _contract, _settings: "adam", RecipeUnfit, "must return a keras.Model, it returns str"),
        (wrong_loss, RecipeFailed, r"mine\.py.* in model\(\): ValueError: Arguments `target` and `output`"),
    ],
)
def test_model_that_does_not_fit_is_told_before_training(
    split: Split, model: Callable[..., Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(replace(WINE, model=model, path="/somewhere/mine.py"), split)


def test_ctrl_c_says_in_one_line_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = CtrlC(monkeypatch, phase="train", epoch=3)

    with pytest.raises(TrainingInterrupted, match=r"Stopped after epoch 2 of 3: run the same command again to go on"):
        Workbench(tmp_path, watcher=watcher).train(WINE)

    resumed = Workbench(tmp_path).train(WINE)
    assert resumed.resumed_after == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "model.keras", "training.html", "training.json"]


def test_signal_ends_the_command_with_130_and_its_checkpoints_are_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lambent_toolkit.cli.main", "train", "wine", "--out", str(tmp_path / "model")]
    options = ["--set", "epochs=10000", "--set", "patience_epochs=10000"]
    checkpoints = Checkpoints(tmp_path / "model" / "checkpoints")
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: checkpoints.newest() is not None or process.poll() is not None, what="the first checkpoint")

    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE_S)

    saved = checkpoints.newest()
    assert saved is not None
    assert process.returncode == 130, told
    assert told.startswith(f"✗ Stopped after epoch {len(saved.figures)} of 10000: run the same command again")
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "model" / "model.keras").exists()
