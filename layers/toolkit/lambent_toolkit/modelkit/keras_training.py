"""Keras's side of a training: batches in a seeded order, the state to save, what happens after an epoch.

Imports Keras at its top, so it is imported inside of `tensorflow_quiet.quiet` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from lambent_toolkit.modelkit.checkpoints import ModelState
from lambent_toolkit.modelkit.errors import TrainingDiverged
from lambent_toolkit.modelkit.network_targets import network_targets
from lambent_toolkit.modelkit.training_progress import EpochFigures

if TYPE_CHECKING:
    from lambent.contracts.model import ModelContract
    from lambent.contracts.tensor import Array
    from lambent_toolkit.modelkit.recipe import Prepared
    from lambent_toolkit.modelkit.stopping import Stop

_SHOW_EVERY_S = 0.25


class ShuffledBatches(keras.utils.PyDataset):
    """A part's batches, in an order that depends on the seed and the number of the epoch alone.

    Keras's own shuffle draws from one stream through the whole training, which a resumed training cannot rejoin.

    Parameters
    ----------
    part, contract    tensors in the contract's order of inputs
    batch_size, seed
    epoch             number of the first epoch, from 0
    begun             batches of that epoch to leave out, since they are in the weights already; then it is the only one
    """

    def __init__(
        self, part: Prepared, contract: ModelContract, *, batch_size: int, seed: int, epoch: int, begun: int = 0
    ) -> None:
        super().__init__()
        self._inputs = input_arrays(part, contract)
        self._targets = network_targets(part, contract)
        self._batch_size, self._seed, self._epoch = batch_size, seed, epoch
        self._begun = begun
        self._order = self._shuffled()

    def __len__(self) -> int:
        """Return the number of batches."""
        return ceil(len(self._order) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Array]:
        """Return one batch: inputs, targets."""
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return _one_or_all([array[rows] for array in self._inputs]), self._targets[rows]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self._epoch += 1
        self._order = self._shuffled()

    def _shuffled(self) -> Array:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(len(self._targets))
        return order[self._begun * self._batch_size :]


class EpochEnd(keras.callbacks.Callback):
    """Stops at once when the loss is no number any more, and tells every epoch's figures.

    Parameters
    ----------
    phase      name for the figures
    steps      batches an epoch
    on_batch   is told now and then: epoch from 0 with the share that is done, and the loss so far
    on_epoch   is told of every epoch; returns whether to stop
    stop       is looked at after every batch but the epoch's last, which the epoch's own end follows
    on_stop    is told after how many batches of the epoch it stops, before KeyboardInterrupt is raised
    begun      batches of the first epoch that are in the weights already
    metrics    what these have left in the metrics' variables
    """

    def __init__(
        self,
        phase: str,
        steps: int,
        *,
        on_batch: Callable[[float, float], None],
        on_epoch: Callable[[EpochFigures], bool],
        stop: Stop,
        on_stop: Callable[[int], None],
        begun: int = 0,
        metrics: Sequence[Array] = (),
    ) -> None:
        super().__init__()
        self._phase, self._steps, self._on_batch, self._on_epoch = phase, steps, on_batch, on_epoch
        self._stop, self._on_stop, self._begun, self._metrics = stop, on_stop, begun, metrics
        self._epoch, self._start_s, self._shown_s = 0, 0.0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's
        """Note when the epoch began; one that had begun before goes on with its sums."""
        self._epoch, self._start_s = epoch, perf_counter()
        if self._begun:
            for variable, array in zip(self.model.metrics_variables, self._metrics, strict=True):
                variable.assign(array)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Raise TrainingDiverged if the loss is not finite, KeyboardInterrupt if a stop is asked for."""
        loss, done = float((logs or {})["loss"]), self._begun + batch + 1
        if not isfinite(loss):
            raise self._diverged(f"training loss became {loss} at epoch {self._epoch + 1}, batch {done}")
        if perf_counter() - self._shown_s > _SHOW_EVERY_S:
            self._shown_s = perf_counter()
            self._on_batch(self._epoch + done / self._steps, loss)
        if self._stop.is_asked and done < self._steps:
            self._on_stop(done)
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the figures, and stop if told so."""
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        figures = EpochFigures(
            epoch=epoch + 1,
            phase=self._phase,
            train={name: value for name, value in numbers.items() if not name.startswith("val_")},
            validation={name[4:]: value for name, value in numbers.items() if name.startswith("val_")},
            learning_rate=self._learning_rate(),
            took_s=round(perf_counter() - self._start_s, 3),
        )
        if not isfinite(figures.validation["loss"]):
            raise self._diverged(f"validation loss became {figures.validation['loss']} at epoch {epoch + 1}")
        self.model.stop_training = self._on_epoch(figures)

    def _learning_rate(self) -> float:
        # As a decimal number of the precision that 32 bits have: 0.005, not 0.004999999888.
        return float(f"{float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)):.7g}")

    def _diverged(self, what: str) -> TrainingDiverged:
        return TrainingDiverged(
            f"The {what} of {self._steps} an epoch, learning rate {self._learning_rate():g}: stopped, and no model was "
            "written. Lower the learning rate, or look for targets and inputs that are far out of range."
        )


def input_arrays(part: Prepared, contract: ModelContract) -> list[Array]:
    """Return a part's tensors in the contract's order of inputs."""
    return [part.tensors[spec.name] for spec in contract.inputs]


def validation_data(part: Prepared, contract: ModelContract) -> tuple[Any, Array]:
    """Return a part as `keras.Model.fit` takes it."""
    return _one_or_all(input_arrays(part, contract)), network_targets(part, contract)


def save_state(model: keras.Model, *, with_metrics: bool = False) -> ModelState:
    """Return copies of all variables of a model and its optimizer, and of its metrics if asked to."""
    own, optimizer = (_arrays(variables) for variables in _variables(model))
    return ModelState(own, optimizer, _arrays(model.metrics_variables) if with_metrics else [])


def restore_state(model: keras.Model, state: ModelState) -> None:
    """Set all variables of a model and its optimizer; raises ValueError where the shapes are others."""
    for variables, arrays in zip(_variables(model), (state.model, state.optimizer), strict=True):
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def build_metrics(model: keras.Model, part: Prepared, contract: ModelContract) -> None:
    """Give the metrics their variables, which Keras makes with the first row that it measures."""
    inputs, targets = [array[:1] for array in input_arrays(part, contract)], network_targets(part, contract)[:1]
    model.test_on_batch(_one_or_all(inputs), targets)


def restore_weights(model: keras.Model, state: ModelState) -> None:
    """Set all variables of a model, and leave its optimizer alone."""
    for variable, array in zip(model.variables, state.model, strict=True):
        variable.assign(array)


def _variables(model: keras.Model) -> tuple[list[Any], list[Any]]:
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return model.variables, model.optimizer.variables


def _arrays(variables: list[Any]) -> list[Array]:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _one_or_all(arrays: list[Array]) -> Any:
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
