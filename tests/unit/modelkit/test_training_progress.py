"""Early stopping and phases are decided by the figures alone, so a resumed training decides alike."""

import pytest

from lambent_toolkit.modelkit.training_progress import EpochFigures, Phase, best_epoch

TRAIN, TUNE = Phase("train", 5, 2), Phase("fine-tune", 3, 2)


def figures(*losses: float, phase: str = "train", first: int = 1) -> list[EpochFigures]:
    return [
        EpochFigures(
            epoch=first + index,
            phase=phase,
            train={"loss": loss},
            validation={"loss": loss},
            learning_rate=0.1,
            took_s=1,
        )
        for index, loss in enumerate(losses)
    ]


def test_the_first_of_equally_good_epochs_is_the_best() -> None:
    assert best_epoch(figures(0.5, 0.2, 0.2, 0.3)).epoch == 2


@pytest.mark.parametrize(
    ("losses", "is_stalled"),
    [((), False), ((0.5,), False), ((0.5, 0.6), False), ((0.5, 0.6, 0.5), True), ((0.5, 0.6, 0.4), False)],
)
def test_a_phase_stalls_when_the_loss_has_not_fallen_for_its_patience(losses, is_stalled: bool) -> None:
    assert TRAIN.is_stalled(figures(*losses)) == is_stalled


def test_a_phase_is_over_after_its_epochs_or_when_a_later_one_has_begun() -> None:
    begun = [*figures(0.5), *figures(0.4, phase="fine-tune", first=2)]

    assert not TRAIN.is_over(figures(0.5, 0.4, 0.3, 0.2))
    assert TRAIN.is_over(figures(0.5, 0.4, 0.3, 0.2, 0.1))
    assert TRAIN.is_over(begun)
    assert not TUNE.is_over(begun)


def test_a_later_phase_has_patience_of_its_own() -> None:
    worse = [*figures(0.1, 0.2), *figures(0.5, phase="fine-tune", first=3)]

    assert not TUNE.is_stalled(worse)
    assert best_epoch(worse).epoch == 1
