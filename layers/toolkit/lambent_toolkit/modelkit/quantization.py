"""A Keras model into the .tflite files that Lambda serves.

The way is Keras's ExportArchive → SavedModel → converter, because it keeps the contract's tensor names in the file's
signature. ``from_keras_model`` loses them, and ``from_concrete_functions`` leaves Keras 3 variables outside of the file
(calibration then fails with "variable != nullptr", and a float file has no weights in it).
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

if TYPE_CHECKING:
    import keras

Variant = Literal["float32", "int8", "dynamic"]
CALIBRATION_ITEMS = 300
_SIGNATURE = "serving_default"


def to_tflite(
    model: keras.Model, contract: ModelContract, *, variant: Variant, calibration: Array | None = None
) -> bytes:
    """Convert a trained model.

    Parameters
    ----------
    model         Keras 3, inputs and outputs in the contract's order
    contract      its tensor names become the file's signature
    variant       ``float32``; ``int8``: weights, activations, inputs and outputs in 8 bits; ``dynamic``: 8-bit weights
                  only, which interpreters older than LiteRT refuse
    calibration   float32 (n, …), preprocessed training inputs; needed for ``int8``, see `spread`

    Returns
    -------
    bytes of a .tflite file with one signature
    """
    with quiet(), TemporaryDirectory() as folder:
        import tensorflow as tf

        _export(model, contract, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[_SIGNATURE])
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "int8":
            if calibration is None:
                raise ValueError("int8 needs calibration data")
            converter.representative_dataset = lambda: _samples(contract, calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def spread(tensors: Array, classes: Array, *, items: int = CALIBRATION_ITEMS) -> Array:
    """Return ``items`` rows that hold every class about equally often: a representative data set."""
    order = np.argsort(classes, kind="stable")
    return tensors[order[np.linspace(0, len(order) - 1, min(items, len(order))).astype(np.int64)]]


def _export(model: keras.Model, contract: ModelContract, folder: str) -> None:
    import keras
    import tensorflow as tf

    def serve(*tensors: Any) -> dict[str, Any]:
        answer = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        outputs = answer if isinstance(answer, list | tuple) else [answer]
        return {spec.name: output for spec, output in zip(contract.outputs, outputs, strict=True)}

    signature = [
        tf.TensorSpec(
            [None if dim == -1 else dim for dim in spec.shape], DTYPE_BY_DATATYPE[spec.datatype], name=spec.name
        )
        for spec in contract.inputs
    ]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(_SIGNATURE, serve, input_signature=signature)
    archive.write_out(folder, verbose=False)


def _samples(contract: ModelContract, calibration: Array) -> Iterator[dict[str, Array]]:
    name = contract.inputs[0].name
    for row in range(len(calibration)):
        yield {name: calibration[row : row + 1]}
