"""Train a recipe; the same seed gives the same weights on the same CPU and packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from lambent.domain.model import KERAS_FILE
from lambent_toolkit.modelkit.recipe import Recipe, Split
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class EpochFigures:
    """What Keras measured in one epoch, on the training part."""

    epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Trained:
    """A trained model with how it came about."""

    model: keras.Model
    epochs: list[EpochFigures]
    training_s: float


def train(
    recipe: Recipe, split: Split, *, epochs: int | None = None, seed: int | None = None, watcher: Watcher = SILENCE
) -> Trained:
    """Train a recipe's model on the training part.

    Parameters
    ----------
    recipe, split
    epochs, seed      instead of the recipe's own; the split does not change with the seed given here
    watcher           is told of every epoch

    Returns
    -------
    Trained; the test part has not been looked at
    """
    settings = recipe.settings
    rounds = epochs or settings.epochs
    watcher.begin("load TensorFlow", total=1)
    with quiet():
        import keras
        import tensorflow as tf

        # Sets the seed of Python, NumPy and TensorFlow, for the whole process.
        keras.utils.set_random_seed(settings.seed if seed is None else seed)
        tf.config.experimental.enable_op_determinism()
        model = recipe.model(split.contract, settings)
    watcher.advance()
    watcher.begin(f"train {recipe.name}", total=rounds)
    start = perf_counter()
    figures: list[EpochFigures] = []
    inputs = [split.train.tensors[spec.name] for spec in split.contract.inputs]
    with quiet():
        model.fit(
            inputs if len(inputs) > 1 else inputs[0],
            split.train.targets,
            epochs=rounds,
            batch_size=settings.batch_size,
            verbose=0,
            callbacks=[_reporter(figures, watcher)],
        )
    return Trained(model, figures, perf_counter() - start)


def to_keras_file(model: keras.Model) -> bytes:
    """Return the model as the bytes of a .keras file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / KERAS_FILE
        model.save(path)
        return path.read_bytes()


def from_keras_file(body: bytes) -> keras.Model:
    """Read a .keras file of our own making; safe mode refuses embedded code all the same."""
    with quiet(), TemporaryDirectory() as folder:
        import keras

        path = Path(folder) / KERAS_FILE
        path.write_bytes(body)
        return keras.models.load_model(path, safe_mode=True)


def _reporter(figures: list[EpochFigures], watcher: Watcher) -> keras.callbacks.Callback:
    import keras

    def report(epoch: int, logs: dict[str, Any]) -> None:
        figures.append(EpochFigures(epoch + 1, float(logs["loss"]), float(logs["accuracy"])))
        watcher.advance(f"loss {logs['loss']:.3f}  accuracy {logs['accuracy']:.1%}")

    return keras.callbacks.LambdaCallback(on_epoch_end=report)
