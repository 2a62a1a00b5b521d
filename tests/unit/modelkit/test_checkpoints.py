"""Checkpoints hold a training's whole state, and those of another training are not taken up."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from lambent_toolkit.modelkit.checkpoints import Checkpoint, Checkpoints, ModelState
from lambent_toolkit.modelkit.errors import OtherTraining
from lambent_toolkit.modelkit.recipe import prepare
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.training_identity import TrainingIdentity, identify
from lambent_toolkit.modelkit.training_progress import EpochFigures
from lambent_toolkit.modelkit.training_step import run_training

IDENTITY = TrainingIdentity(
    recipe="wine", source_sha256="ab", settings={"units": 32, "epochs": 3}, data_sha256="cd", tools={"keras": "3.0"}
)
WINE = RECIPES["wine"]


def checkpoint(epochs: int, identity: TrainingIdentity = IDENTITY) -> Checkpoint:
    figures = [
        EpochFigures(epoch=number, phase="train", train={"loss": 1}, validation={"loss": 1}, learning_rate=1, took_s=1)
        for number in range(1, epochs + 1)
    ]
    state = ModelState([np.full((2, 3), epochs, np.float32), np.zeros((), np.uint32)], [np.array(epochs, np.int64)])
    return Checkpoint(identity, figures, state)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def test_newest_checkpoint_comes_back_bit_by_bit(checkpoints: Checkpoints) -> None:
    for epochs in (1, 2, 10):
        checkpoints.write(checkpoint(epochs))

    found, written = checkpoints.newest(), checkpoint(10)

    assert found is not None
    assert (found.identity, found.figures) == (written.identity, written.figures)
    for got, expected in zip(
        found.state.model + found.state.optimizer, written.state.model + written.state.optimizer, strict=True
    ):
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("damage", [lambda body: body[: len(body) // 2], lambda _body: b"", lambda _body: b"PK junk"])
def test_damaged_checkpoint_is_passed_over(checkpoints: Checkpoints, damage) -> None:
    checkpoints.write(checkpoint(1))
    checkpoints.write(checkpoint(2))
    newest = checkpoints.folder / "epoch-00002.npz"
    newest.write_bytes(damage(newest.read_bytes()))

    found = checkpoints.newest()

    assert found is not None
    assert len(found.figures) == 1


def test_checkpoint_with_a_flipped_bit_is_passed_over(checkpoints: Checkpoints) -> None:
    checkpoints.write(checkpoint(1))
    path = checkpoints.folder / "epoch-00001.npz"
    body = bytearray(path.read_bytes())
    body[body.index(b"wine")] ^= 1
    path.write_bytes(bytes(body))

    assert checkpoints.newest() is None


def test_checkpoint_in_the_midst_of_an_epoch_is_newer_than_the_epoch_before_and_goes_with_the_next(
    checkpoints: Checkpoints,
) -> None:
    state = ModelState([np.ones(2)], [np.ones(1)], [np.array(3.5)])
    for epochs in (1, 2):
        checkpoints.write(checkpoint(epochs))
    checkpoints.write(Checkpoint(IDENTITY, checkpoint(2).figures, state, batches=4, phase="train"))

    begun = checkpoints.newest()

    assert begun is not None
    assert (len(begun.figures), begun.batches, begun.phase) == (2, 4, "train")
    assert begun.state.metrics == [np.array(3.5)]
    checkpoints.write(checkpoint(3))
    newest = checkpoints.newest()
    assert newest is not None
    assert (len(newest.figures), newest.batches) == (3, 0)
    checkpoints.keep({2, 3})
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["epoch-00002.npz", "epoch-00003.npz"]


def test_only_the_named_epochs_are_kept(checkpoints: Checkpoints) -> None:
    for epochs in (1, 2, 3):
        checkpoints.write(checkpoint(epochs))

    checkpoints.keep({1, 3})

    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["epoch-00001.npz", "epoch-00003.npz"]
    checkpoints.clear()
    assert not checkpoints.folder.exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"recipe": "mine.py"}, ["recipe wine → mine.py"]),
        ({"source_sha256": "xx"}, ["the source of wine has changed"]),
        ({"settings": {"units": 64, "epochs": 3}}, ["units 32 → 64"]),
        ({"data_sha256": "xx", "tools": {"keras": "3.1"}}, ["the data has changed", "keras 3.0 → 3.1"]),
    ],
)
def test_what_differs_between_two_trainings_is_told(changes: dict, told: list[str]) -> None:
    assert msgspec.structs.replace(IDENTITY, **changes).differences(IDENTITY) == told


def test_checkpoints_of_other_settings_are_refused_and_stay(checkpoints: Checkpoints, tmp_path: Path) -> None:
    other = WINE.having(units=8)
    checkpoints.write(checkpoint(4, identify(other, prepare(other))))

    with pytest.raises(OtherTraining, match=r"4 epochs of another training \(units 8 → 32\): add --fresh"):
        run_training(tmp_path, WINE)

    assert checkpoints.newest() is not None
