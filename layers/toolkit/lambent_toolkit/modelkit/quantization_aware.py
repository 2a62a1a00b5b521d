"""Quantization-aware fine-tuning: a trained model learns, for some more epochs, to live with 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambent_toolkit.modelkit.convertible import convertible
from lambent_toolkit.modelkit.network_targets import network_targets
from lambent_toolkit.modelkit.quantization import Tensors, to_tflite
from lambent_toolkit.modelkit.recipe import Prepared, Split
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file, to_keras_file
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

if TYPE_CHECKING:
    import keras

EPOCHS = 5
# Of the rate that the model was trained with: it is to be moved a little, not to be learned anew.
LEARNING_RATE_SHARE = 0.1


@dataclass(frozen=True)
class FineTuned:
    """What came out.

    Parameters
    ----------
    keras_file          bytes of the model with its fine-tuned weights, the same layers as before
    tflite_file         bytes of its int8 file, with the ranges of the fine-tuning
    learning_rate
    validation_losses   rounded to 8 bits, of each epoch
    kept_epoch          from 1, the one with the lowest validation loss, whose weights were kept
    """

    keras_file: bytes
    tflite_file: bytes
    learning_rate: float
    validation_losses: list[float]
    kept_epoch: int


def fine_tune(
    keras_file: bytes,
    split: Split,
    calibration: Tensors,
    *,
    batch_size: int,
    seed: int,
    epochs: int = EPOCHS,
    watcher: Watcher = SILENCE,
) -> FineTuned:
    """Fine-tune with weights and activations rounded to 8 bits; the same seed gives the same weights.

    Parameters
    ----------
    keras_file     bytes of model.keras, saved with its optimizer and loss
    split          trains on its training part; the epoch with the lowest loss on its validation part is kept
    calibration    as for `to_tflite`; gives a range to tensors that training has none for
    batch_size, seed, epochs
    watcher        is told of every epoch

    Raises
    ------
    LayerUnsupported   the model has a layer that has no fake-quantized form, or was saved without its loss
    ConversionFailed   the converter refuses the result
    """
    watcher.begin("fine-tune for int8", total=epochs)
    with quiet():
        import keras
        import tensorflow as tf

        from lambent_toolkit.modelkit.fake_quantization import (
            fake_quantized,
            leave_weights_to_converter,
            take_trained_weights,
        )

        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
    model = _compiled(keras_file)
    pixels = frozenset(n for n, spec in enumerate(split.contract.inputs) if spec.datatype == "UINT8")
    with quiet():
        copy = fake_quantized(convertible(model, split.contract.inputs).model, pixel_inputs=pixels)
        learning_rate = _compile_like(copy, model)
        keep_best = keras.callbacks.EarlyStopping(monitor="val_loss", patience=epochs, restore_best_weights=True)
        history = copy.fit(
            *_pair(split.train, split, copy),
            validation_data=_pair(split.validation, split, copy),
            epochs=epochs,
            batch_size=batch_size,
            verbose=0,
            callbacks=[keep_best, _reporter(watcher)],
        )
    leave_weights_to_converter(copy)
    tflite_file = to_tflite(copy, split.contract, variant="int8", calibration=calibration)
    take_trained_weights(model, copy)
    return FineTuned(
        keras_file=to_keras_file(model),
        tflite_file=tflite_file,
        learning_rate=learning_rate,
        validation_losses=[float(loss) for loss in history.history["val_loss"]],
        kept_epoch=keep_best.best_epoch + 1,
    )


def _compiled(keras_file: bytes) -> keras.Model:
    from lambent_toolkit.modelkit.errors import LayerUnsupported

    try:
        return from_keras_file(keras_file, is_compiled=True)
    except (TypeError, ValueError) as exc:
        raise LayerUnsupported(
            "The model was compiled with a loss, a metric or an optimizer of its maker's own, whose code is not in the "
            "file: fine-tuning has none to use. Compile it with Keras's own and save it again."
        ) from exc


def _compile_like(copy: keras.Model, model: keras.Model) -> float:
    from lambent_toolkit.modelkit.errors import LayerUnsupported

    if getattr(model, "loss", None) is None or model.optimizer is None:
        raise LayerUnsupported(f"{model.name} was saved without its optimizer and loss: fine-tuning has none to use.")
    # In mixed precision it is wrapped to scale the loss; the copy computes in 32 bits.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    settings = optimizer.get_config()
    settings["learning_rate"] = LEARNING_RATE_SHARE * float(optimizer.learning_rate)
    copy.compile(optimizer=type(optimizer).from_config(settings), loss=model.loss)
    return float(settings["learning_rate"])


def _pair(part: Prepared, split: Split, model: keras.Model) -> tuple[Any, Any]:
    from lambent.adapters.keras_structure import pack_inputs

    inputs = [part.tensors[spec.name].astype("float32") for spec in split.contract.inputs]
    return pack_inputs(model, inputs), network_targets(part, split.contract)


def _reporter(watcher: Watcher) -> keras.callbacks.Callback:
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _epoch, logs: watcher.advance(f"loss {logs['loss']:.3f}  validation {logs['val_loss']:.3f}")
    )
