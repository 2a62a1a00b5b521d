"""Full int8 with some layers left in float.

The converter's quantizer (``mlir_quantize``, which `tf.lite.experimental.QuantizationDebugger` drives too) takes a list
of operators to leave alone. The model is exported and calibrated once; each set of float layers then costs only one
pass of the quantizer, milliseconds for a small model, and everything else comes out exactly as in the int8 file.

An operator in the file carries the name scopes that Keras made it in, but TensorFlow numbers these anew (`dense_1` may
be the layer ``dense`` or the layer ``dense_1``). So every layer of the exported copy has a mark at the end of its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lambent.contracts.model import ModelContract
from lambent_toolkit.modelkit.convertible import convertible
from lambent_toolkit.modelkit.float16_weights import store_weights_as_float16
from lambent_toolkit.modelkit.quantization import Tensors, conversion_failure, converter_errors, prepared_converter
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file

if TYPE_CHECKING:
    import keras

# Letters, digits and ``_.\\/>-`` may stand in a scope; Keras makes no layer's name with a dot.
_MARK = "."
_FUSED_PARTS = ";"
# These only move numbers. They stay with the layer whose numbers they move: in 8 bits between two layers left in float
# they would be the very bottleneck that was to go.
_MOVERS = frozenset(
    {"EXPAND_DIMS", "MAX_POOL_2D", "PAD", "RESHAPE", "SLICE", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE"}
)


@dataclass(frozen=True)
class LayerOperators:
    """What a Keras layer became in the .tflite file.

    Parameters
    ----------
    layer       its name; one within a nested model has the model's before it: ``block/conv2d``
    operators   of the file, in order, e.g. ``("FULLY_CONNECTED", "SOFTMAX")``; what was fused into another layer's
                operator (an activation, a batch normalization) is counted there, and so are pooling by maximum,
                padding and changes of shape behind it
    tensors     names of the operators' outputs, by which the quantizer knows them
    """

    layer: str
    operators: tuple[str, ...]
    tensors: tuple[str, ...]


class SelectiveQuantizer:
    """Makes int8 files of one model with any layers in float.

    Parameters
    ----------
    keras_file    bytes of model.keras
    contract
    calibration   (n, …) by input name, preprocessed training inputs

    Raises
    ------
    ConversionFailed   the converter has no int8 form of this model
    """

    def __init__(self, keras_file: bytes, contract: ModelContract, calibration: Tensors) -> None:
        self._contract = contract
        model = convertible(from_keras_file(keras_file), contract.inputs).model
        self._calibrated = _calibrated(model, contract, calibration)
        self.layers = layer_operators(self._calibrated, model)

    def quantize(self, *, float_layers: Collection[str] = ()) -> bytes:
        """Return a .tflite file of int8 in which these layers compute in 32-bit floats; their weights are float16.

        Inputs and outputs of the file are in 8 bits as in the int8 variant: the same contract serves both.

        Raises
        ------
        ConversionFailed   the quantizer refuses
        """
        left = [name for each in self.layers if each.layer in float_layers for name in each.tensors]
        with quiet():
            import tensorflow as tf
            from tensorflow.lite.python.convert import mlir_quantize

            takes_pixels = self._contract.inputs[0].datatype == "UINT8"
            try:
                file = mlir_quantize(
                    self._calibrated,
                    fully_quantize=True,
                    input_data_type=tf.uint8 if takes_pixels else tf.int8,
                    output_data_type=tf.int8,
                    denylisted_nodes=left,
                )
            except converter_errors() as exc:
                raise conversion_failure(exc, self._contract, "mixed") from exc
            return store_weights_as_float16(bytes(file))


def layer_operators(calibrated: bytes, model: keras.Model) -> list[LayerOperators]:
    """Return which operators of a file each layer of a marked model became, in the file's order.

    Operators of integers (shapes, token ids) and layers that only move numbers are left out.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    file = flatbuffer_utils.convert_bytearray_to_object(bytearray(calibrated))
    graph = file.subgraphs[0]
    known = {_unmarked(layer) for layer in _layers(model)}
    with_matrix = {_unmarked(layer) for layer in _layers(model) if any(len(each.shape) > 1 for each in layer.weights)}
    layer_by_tensor: dict[int, str] = {}
    answers = set(graph.outputs.tolist())
    made: dict[str, list[tuple[str, str]]] = {}
    for operator in graph.operators:
        if not _computes_with_floats(graph, operator):
            continue
        kind = flatbuffer_utils.opcode_to_name(file, operator.opcodeIndex)
        inputs, outputs = ([n for n in side.tolist() if n >= 0] for side in (operator.inputs, operator.outputs))
        if kind in _MOVERS:
            layer = layer_by_tensor.get(inputs[0], "")
        else:
            names = [graph.tensors[n].name.decode() for n in outputs + inputs[1:]]
            # An operation outside of layers goes with the layer whose numbers it takes.
            before = [] if answers & set(outputs) else [layer_by_tensor.get(n, "") for n in inputs]
            layer = next(filter(None, [_layer_of(names, known, with_matrix), *before, _output_layer(model)]))
        layer_by_tensor.update(dict.fromkeys(outputs, layer))
        made.setdefault(layer, []).extend((kind, graph.tensors[n].name.decode()) for n in outputs)
    return [
        LayerOperators(layer, tuple(kind for kind, _ in operators), tuple(tensor for _, tensor in operators))
        for layer, operators in made.items()
        if layer
    ]


def _computes_with_floats(graph: Any, operator: Any) -> bool:
    from tensorflow.lite.python.schema_py_generated import TensorType

    return all(graph.tensors[number].type == TensorType.FLOAT32 for number in operator.outputs)


def _calibrated(model: keras.Model, contract: ModelContract, calibration: Tensors) -> bytes:
    with quiet(), TemporaryDirectory() as folder:
        import tensorflow as tf

        for layer in _layers(model):
            layer.name += _MARK
        converter = prepared_converter(model, contract, folder, variant="int8", calibration=calibration)
        try:
            debugger = tf.lite.experimental.QuantizationDebugger(
                converter=converter,
                debug_options=tf.lite.experimental.QuantizationDebugOptions(fully_quantize=True),
            )
        except converter_errors() as exc:
            raise conversion_failure(exc, contract, "int8", model=model) from exc
        return bytes(debugger.calibrated_model)


def _layers(model: Any) -> Iterator[Any]:
    """Yield every layer at any depth; each once, though several places may share it."""
    pending, seen = list(model.layers), set()
    while pending:
        layer = pending.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            pending.extend(getattr(layer, "layers", ()))
            yield layer


def _layer_of(tensors: list[str], known: Collection[str], with_matrix: Collection[str]) -> str:
    """Return the path of marked names of layers in the tensors' names; "" if there is none.

    The converter's own names for constants have a dot, too.

    An operator bears the names of all that the converter fused into it; the layer with a matrix of weights is the one
    that the others were added to.
    """
    parts = [part.split("/") for tensor in tensors for part in tensor.split(_FUSED_PARTS)]
    scopes = [[scope.rpartition(_MARK)[0] for scope in part] for part in parts]
    paths = [[scope for scope in part if scope in known] for part in scopes]
    found = [path for path in paths if path]
    for path in found:
        if path[-1] in with_matrix:
            return "/".join(path)
    return "/".join(found[0]) if found else ""


def _output_layer(model: Any) -> str:
    """Return the name of the layer whose last operator writes the output, which the signature has renamed."""
    return _unmarked(model.layers[-1])


def _unmarked(layer: Any) -> str:
    return str(layer.name).removesuffix(_MARK)
