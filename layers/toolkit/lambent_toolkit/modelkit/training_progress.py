"""What the epochs so far say: which was best, and whether to go on. Pure, so that a resumed training decides alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


class EpochFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What Keras measured in one epoch.

    Parameters
    ----------
    epoch           from 1, counted through all phases
    phase           name of the `Phase`
    train           ``loss`` and the model's metrics, averaged while the weights moved and with dropout on
    validation      the same with the weights at the end of the epoch, dropout off
    learning_rate   at the end of the epoch
    took_s          wall-clock time
    """

    epoch: int
    phase: str
    train: dict[str, float]
    validation: dict[str, float]
    learning_rate: float
    took_s: float


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one optimizer.

    Parameters
    ----------
    name
    epochs            at most
    patience_epochs   epochs without a lower validation loss, within the phase, after which it ends
    """

    name: str
    epochs: int
    patience_epochs: int

    def of(self, figures: Sequence[EpochFigures]) -> list[EpochFigures]:
        """Return this phase's own epochs."""
        return [each for each in figures if each.phase == self.name]

    def is_stalled(self, figures: Sequence[EpochFigures]) -> bool:
        """Return whether the validation loss has not fallen for the phase's patience (Prechelt, 1998)."""
        own = self.of(figures)
        return bool(own) and own[-1].epoch - best_epoch(own).epoch >= self.patience_epochs

    def is_over(self, figures: Sequence[EpochFigures]) -> bool:
        """Return whether the phase has run all its epochs, has stalled, or a later phase has begun."""
        own = self.of(figures)
        has_later = bool(own) and figures[-1].phase != self.name
        return has_later or len(own) >= self.epochs or self.is_stalled(figures)


def best_epoch(figures: Sequence[EpochFigures]) -> EpochFigures:
    """Return the epoch of the lowest validation loss, the first of equals."""
    return min(figures, key=lambda each: each.validation["loss"])


def describe(figures: EpochFigures) -> str:
    """Return an epoch's losses, and the first metric on the validation part, in a line."""
    told = f"loss {figures.train['loss']:.3f}  val loss {figures.validation['loss']:.3f}"
    for name, value in figures.validation.items():
        if name != "loss":
            return told + (f"  val {name} {value:.1%}" if name == "accuracy" else f"  val {name} {value:.3g}")
    return told
