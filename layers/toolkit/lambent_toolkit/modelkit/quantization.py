"""A float model into the .tflite files that Lambda serves.

A Keras model's way is Keras's ExportArchive → SavedModel → converter, because it keeps the contract's tensor names in
the file's signature. ``from_keras_model`` loses them, and ``from_concrete_functions`` leaves Keras 3 variables outside
of the file (calibration then fails with "variable != nullptr", and a float file has no weights in it).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent_toolkit.modelkit.conversion_refusals import refused
from lambent_toolkit.modelkit.convertible import convertible
from lambent_toolkit.modelkit.errors import ConversionFailed
from lambent_toolkit.modelkit.float_model import SavedModelFloat
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.variants import Variant

if TYPE_CHECKING:
    import keras

Tensors = Mapping[str, Array]
CALIBRATED = ("int8", "int16x8")
_SIGNATURE = "serving_default"


def to_tflite(
    model: keras.Model | SavedModelFloat,
    contract: ModelContract,
    *,
    variant: Variant,
    calibration: Tensors | None = None,
) -> bytes:
    """Convert a trained model.

    Parameters
    ----------
    model         Keras 3, inputs and outputs in the contract's order; or a SavedModel, whose names are the contract's
    contract      its tensor names become the file's signature
    variant       - ``float32``
                  - ``float16``: weights of half the size, computed in 32 bits
                  - ``dynamic``: 8-bit weights only, which interpreters older than LiteRT refuse
                  - ``int8``: weights, activations, inputs and outputs in 8 bits
                  - ``int16x8``: activations, inputs and outputs in 16 bits, weights in 8

                  An input that the contract calls UINT8 takes pixels as they are in every variant; integer inputs
                  such as token ids are never quantized.
    calibration   (n, …) by input name, preprocessed training inputs; needed for ``int8`` and ``int16x8``, see
                  `calibration.choose_calibration`

    Returns
    -------
    bytes of a .tflite file with one signature, of TensorFlow Lite's own operators only

    Raises
    ------
    ValueError         calibration is missing
    ConversionFailed   the converter has no such form of this model
    """
    if variant in CALIBRATED and calibration is None:
        raise ValueError(f"{variant} needs calibration data")
    with quiet(), TemporaryDirectory() as folder:
        converter = prepared_converter(model, contract, folder, variant=variant, calibration=calibration)
        try:
            return bytes(converter.convert())
        except converter_errors() as exc:
            raise conversion_failure(exc, contract, variant, model=model) from exc


def conversion_failure(
    exc: Exception, contract: ModelContract, variant: str, *, model: keras.Model | SavedModelFloat | None = None
) -> ConversionFailed:
    """Return what to raise for what the converter raised.

    Parameters
    ----------
    variant   the form that it was to make; where that is float32, there is no other to choose
    model     whose layers are told, if it is a Keras model
    """
    inputs = [spec.name for spec in contract.inputs]
    said, advice = refused(exc, None if isinstance(model, SavedModelFloat) else model, inputs)
    why = f"{said}. {advice}." if variant == "float32" else f"choose another --variant. The reason: {said}."
    return ConversionFailed(
        f"TensorFlow's converter cannot make a {variant} file of {contract.name}: {why}",
        said=said,
    )


def converter_errors() -> tuple[type[Exception], ...]:
    """Return what the converter raises where an operator has no kernel, or calibration no range for a tensor."""
    from tensorflow.lite.python.convert_phase import ConverterError

    return (ConverterError, RuntimeError, ValueError)


def prepared_converter(
    model: keras.Model | SavedModelFloat,
    contract: ModelContract,
    folder: str,
    *,
    variant: Variant,
    calibration: Tensors | None = None,
) -> Any:
    """Return a ``tf.lite.TFLiteConverter`` that is set up for a variant; ``folder`` must outlive it."""
    import tensorflow as tf

    takes_real_pixels = variant in CALIBRATED and not isinstance(model, SavedModelFloat)
    if isinstance(model, SavedModelFloat):
        model.unpack(Path(folder))
    else:
        # Most callers have done it, once for all variants; then this is the model itself.
        made = convertible(model, contract.inputs).model
        _export(made, contract, folder, takes_real_pixels=takes_real_pixels)
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[contract.signature or _SIGNATURE])
    _choose(converter, contract, variant)
    if calibration is not None and variant in CALIBRATED:
        converter.representative_dataset = lambda: _samples(contract, calibration, as_real_pixels=takes_real_pixels)
    return converter


def _choose(converter: Any, contract: ModelContract, variant: Variant) -> None:
    import tensorflow as tf

    if variant == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "int8":
        pixels = contract.inputs[0].datatype == "UINT8"
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8 if pixels else tf.int8
        converter.inference_output_type = tf.int8
    if variant == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = tf.int16
        converter.inference_output_type = tf.int16


def _export(model: keras.Model, contract: ModelContract, folder: str, *, takes_real_pixels: bool) -> None:
    import keras
    import tensorflow as tf

    from lambent.adapters.keras_structure import call_flat

    def serve(*tensors: Any) -> dict[str, Any]:
        numbers = [
            tf.cast(tensor, tf.float32) if spec.datatype == "UINT8" else tensor
            for spec, tensor in zip(contract.inputs, tensors, strict=True)
        ]
        outputs = call_flat(model, numbers)
        return {spec.name: output for spec, output in zip(contract.outputs, outputs, strict=True)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [_tensor_spec(spec, takes_real_pixels=takes_real_pixels) for spec in contract.inputs]
    archive.add_endpoint(_SIGNATURE, serve, input_signature=signature)
    archive.write_out(folder, verbose=False)


def _tensor_spec(spec: TensorSpec, *, takes_real_pixels: bool) -> Any:
    import tensorflow as tf

    # Calibration needs real numbers where the quantized file will take the pixels themselves.
    dtype = np.dtype(np.float32) if spec.datatype == "UINT8" and takes_real_pixels else DTYPE_BY_DATATYPE[spec.datatype]
    return tf.TensorSpec([None if dim == -1 else dim for dim in spec.shape], dtype, name=spec.name)


def _samples(contract: ModelContract, calibration: Tensors, *, as_real_pixels: bool) -> Iterator[dict[str, Array]]:
    for row in range(len(next(iter(calibration.values())))):
        sample = {spec.name: calibration[spec.name][row : row + 1] for spec in contract.inputs}
        yield {
            name: array.astype(np.float32) if as_real_pixels and array.dtype == np.uint8 else array
            for name, array in sample.items()
        }
