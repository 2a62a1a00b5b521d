"""Train a recipe; the same seed gives the same weights on the same CPU and packages, resumed or in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambent.domain.model import KERAS_FILE
from lambent_toolkit.modelkit.checkpoints import Checkpoint, Checkpoints
from lambent_toolkit.modelkit.recipe import Recipe, Split
from lambent_toolkit.modelkit.recipe_calls import calling
from lambent_toolkit.modelkit.recipe_check import check_model
from lambent_toolkit.modelkit.stopping import Stop
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training_identity import TrainingIdentity, identify
from lambent_toolkit.modelkit.training_logs import EventLogs
from lambent_toolkit.modelkit.training_progress import EpochFigures, Phase, best_epoch, describe
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

if TYPE_CHECKING:
    import keras

    from lambent.contracts.tensor import Array

CHECKPOINTS_FOLDER, LOGS_FOLDER = "checkpoints", "logs"
TRAIN, FINE_TUNE = "train", "fine-tune"


@dataclass(frozen=True)
class Trained:
    """A trained model with how it came about.

    Parameters
    ----------
    model           with the weights of ``best_epoch``
    epochs          of all phases, those before an interruption too
    best_epoch      the one of the lowest validation loss
    stopped_early   whether the last phase ended because the validation loss no longer fell
    resumed_after   epochs that were taken from checkpoints, 0 if none
    """

    model: keras.Model
    epochs: list[EpochFigures]
    best_epoch: int
    stopped_early: bool
    resumed_after: int

    @property
    def training_s(self) -> float:
        """Wall-clock time of all epochs."""
        return sum(each.took_s for each in self.epochs)

    @property
    def best(self) -> EpochFigures:
        """What was measured in the epoch whose weights the model has."""
        return self.epochs[self.best_epoch - 1]


def train(
    recipe: Recipe,
    split: Split,
    *,
    folder: Path | None = None,
    on_checkpoint: Callable[[], None] | None = None,
    stop: Stop | None = None,
    watcher: Watcher = SILENCE,
) -> Trained:
    """Train a recipe's model on the training part, until the validation loss stops falling.

    Exact resuming needs all randomness of the model to be Keras's: layers such as Dropout, or `keras.random` with a
    SeedGenerator.

    Parameters
    ----------
    recipe, split
    folder           for checkpoints and TensorBoard logs; training goes on where its checkpoints end, which must be of
                     this very training. A temporary one if None
    on_checkpoint    is called after every epoch, when its checkpoint and its logs are on the disk
    stop             asked, it ends the training after the batch with one more checkpoint, from which it goes on there
    watcher          is told of every epoch

    Returns
    -------
    Trained; the test part has not been looked at

    Raises
    ------
    RecipeFailed        the recipe's code raised
    RecipeUnfit         its model is not what its contract declares
    TrainingDiverged    the loss became NaN or infinite
    FolderNotWritable   a checkpoint could not be written, e.g. the disk is full
    KeyboardInterrupt   ``stop`` was asked, or Ctrl-C
    """
    if folder is None:
        with TemporaryDirectory() as temporary:
            return train(recipe, split, folder=Path(temporary), on_checkpoint=on_checkpoint, stop=stop, watcher=watcher)
    watcher.begin("load TensorFlow", total=1)
    with quiet():
        import keras
        import tensorflow as tf

        # Sets the seed of Python, NumPy and TensorFlow, for the whole process.
        keras.utils.set_random_seed(recipe.settings.seed)
        tf.config.experimental.enable_op_determinism()
        with calling(recipe, "model"):
            model = recipe.model(split.contract, recipe.settings)
        check_model(model, split.contract, name=recipe.name)
        watcher.advance()
        return _Training(
            recipe, split, model, folder, on_checkpoint=on_checkpoint, stop=stop or Stop(), watcher=watcher
        ).run()


def phases(recipe: Recipe) -> list[Phase]:
    """Return the stretches of a recipe's training."""
    settings = recipe.settings
    first = Phase(TRAIN, settings.epochs, settings.patience_epochs)
    if recipe.fine_tune is None or settings.fine_tune_epochs == 0:
        return [first]
    return [first, Phase(FINE_TUNE, settings.fine_tune_epochs, settings.patience_epochs)]


def to_keras_file(model: keras.Model) -> bytes:
    """Return the model as the bytes of a .keras file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / KERAS_FILE
        model.save(path)
        return path.read_bytes()


def from_keras_file(body: bytes, *, is_compiled: bool = False) -> keras.Model:
    """Read a .keras file of our own making; safe mode refuses embedded code all the same.

    ``is_compiled`` asks for its loss and optimizer too. Keras raises TypeError or ValueError where these are code of
    somebody's own, which no file holds; what only answers does not need them.
    """
    with quiet(), TemporaryDirectory() as folder:
        import keras

        path = Path(folder) / KERAS_FILE
        path.write_bytes(body)
        return keras.models.load_model(path, compile=is_compiled, safe_mode=True)


class _Training:
    """One training under way: all phases, from the newest checkpoint on."""

    def __init__(
        self,
        recipe: Recipe,
        split: Split,
        model: keras.Model,
        folder: Path,
        *,
        on_checkpoint: Callable[[], None] | None,
        stop: Stop,
        watcher: Watcher,
    ) -> None:
        self._recipe, self._split, self._model, self._watcher = recipe, split, model, watcher
        self._on_checkpoint, self._stop = on_checkpoint, stop
        self._checkpoints = Checkpoints(folder / CHECKPOINTS_FOLDER)
        self._logs = EventLogs(folder / LOGS_FOLDER)
        self._identity: TrainingIdentity = identify(recipe, split)
        self._saved = self._checkpoints.newest()
        self._figures = [] if self._saved is None else list(self._saved.figures)

    def run(self) -> Trained:
        """Run what is left of all phases, and give the model its best weights."""
        from lambent_toolkit.modelkit.keras_training import restore_weights

        resumed_after = len(self._figures)
        if not resumed_after:
            self._logs.clear()
        stretches = phases(self._recipe)
        for phase in stretches:
            if not phase.is_over(self._figures):
                self._run_phase(phase)
        best = best_epoch(self._figures).epoch
        restore_weights(self._model, self._checkpoints.read(best).state)
        return Trained(
            model=self._model,
            epochs=self._figures,
            best_epoch=best,
            stopped_early=stretches[-1].is_stalled(self._figures),
            resumed_after=resumed_after,
        )

    def _run_phase(self, phase: Phase) -> None:
        from lambent_toolkit.modelkit import keras_training

        if phase.name == FINE_TUNE:
            self._begin_fine_tuning()
        saved, begun = self._saved, 0
        if saved is not None and (saved.phase == phase.name if saved.batches else phase.of(self._figures)):
            keras_training.restore_state(self._model, saved.state)
            begun = saved.batches
        self._watcher.begin(f"{phase.name} {self._recipe.name}", total=phase.epochs)
        if saved is not None and begun:
            keras_training.build_metrics(self._model, self._split.train, self._split.contract)
            # An epoch of fewer batches is a fit of its own: Keras asks for their number once.
            self._fit(phase, epochs=1, begun=begun, metrics=saved.state.metrics)
        if not phase.is_over(self._figures):
            self._fit(phase, epochs=phase.epochs - len(phase.of(self._figures)))

    def _fit(self, phase: Phase, *, epochs: int, begun: int = 0, metrics: Sequence[Array] = ()) -> None:
        """Run so many epochs, of the first one what is left."""
        from lambent_toolkit.modelkit import keras_training

        done, settings, part = len(self._figures), self._recipe.settings, self._split.train
        done_before_phase = done - len(phase.of(self._figures))
        batches = keras_training.ShuffledBatches(
            part, self._split.contract, batch_size=settings.batch_size, seed=settings.seed, epoch=done, begun=begun
        )
        callback = keras_training.EpochEnd(
            phase.name,
            begun + len(batches),
            on_batch=lambda epochs, loss: self._watcher.show(epochs - done_before_phase, f"loss {loss:.3f}"),
            on_epoch=lambda figures: self._keep(figures, phase),
            stop=self._stop,
            on_stop=lambda batches: self._keep_begun(batches, phase),
            begun=begun,
            metrics=metrics,
        )
        with self._stop.heeded(), calling(self._recipe, "model"):
            self._model.fit(
                batches,
                validation_data=keras_training.validation_data(self._split.validation, self._split.contract),
                validation_batch_size=settings.batch_size,
                initial_epoch=done,
                epochs=done + epochs,
                shuffle=False,
                verbose=0,
                callbacks=[callback],
            )

    def _begin_fine_tuning(self) -> None:
        from lambent_toolkit.modelkit.keras_training import restore_weights

        restore_weights(self._model, self._checkpoints.read(best_epoch(self._figures).epoch).state)
        with calling(self._recipe, "fine_tune"):
            self._recipe.fine_tune(self._model, self._recipe.settings)  # type: ignore[misc]
        check_model(self._model, self._split.contract, name=self._recipe.name)

    def _keep(self, figures: EpochFigures, phase: Phase) -> bool:
        from lambent_toolkit.modelkit.keras_training import save_state

        self._figures.append(figures)
        self._checkpoints.write(Checkpoint(self._identity, self._figures, save_state(self._model)))
        self._checkpoints.keep({figures.epoch, best_epoch(self._figures).epoch})
        self._logs.write(figures)
        self._tell_checkpoint()
        self._watcher.show(len(phase.of(self._figures)), describe(figures))
        return phase.is_stalled(self._figures)

    def _keep_begun(self, batches: int, phase: Phase) -> None:
        """Keep the state in the midst of an epoch."""
        from lambent_toolkit.modelkit.keras_training import save_state

        state = save_state(self._model, with_metrics=True)
        self._checkpoints.write(Checkpoint(self._identity, self._figures, state, batches, phase.name))
        self._tell_checkpoint()

    def _tell_checkpoint(self) -> None:
        if self._on_checkpoint is not None:
            self._on_checkpoint()
