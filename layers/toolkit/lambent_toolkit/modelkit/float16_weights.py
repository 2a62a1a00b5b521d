"""Half the bytes for the weights of layers that a quantized file leaves in float.

The selective quantizer has no 16-bit floats. The form written here is that of TensorFlow's own float16 variant: the
weights as float16 and a DEQUANTIZE before the operator, which interpreters carry out once, when they load the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Their second input holds the weights; biases are small and stay as they are.
_WITH_WEIGHTS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
_WEIGHTS = 1
_VERSION = 3  # of DEQUANTIZE: the first that takes float16


def store_weights_as_float16(file: bytes) -> bytes:
    """Return the .tflite file with 16-bit weights wherever an operator computes in float.

    Weights beyond float16's range (65,504) stay in 32 bits; so does everything in a file without float operators.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(file))
    graph = model.subgraphs[0]
    weights = sorted(
        {
            int(operator.inputs[_WEIGHTS])
            for operator in graph.operators
            if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) in _WITH_WEIGHTS
        }
    )
    halved = [number for number in weights if _fits(model, graph.tensors[number])]
    if not halved:
        return file
    code = _add_dequantize(model)
    graph.operators[:0] = [_halve(model, graph, number, code) for number in halved]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _fits(model: Any, tensor: Any) -> bool:
    from tensorflow.lite.python.schema_py_generated import TensorType

    data = model.buffers[tensor.buffer].data
    if tensor.type != TensorType.FLOAT32 or data is None or len(data) == 0:
        return False
    return bool(np.abs(_floats(data)).max() <= np.finfo(np.float16).max)


def _floats(data: Any) -> Any:
    return np.frombuffer(bytes(bytearray(data)), dtype="<f4")


def _add_dequantize(model: Any) -> int:
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator, OperatorCodeT

    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.DEQUANTIZE
    code.version = _VERSION
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _halve(model: Any, graph: Any, number: int, code: int) -> Any:
    """Move a tensor's numbers to a new float16 tensor; return the operator that fills the old one from it."""
    from tensorflow.lite.python.schema_py_generated import BufferT, OperatorT, TensorT, TensorType

    tensor = graph.tensors[number]
    buffer = BufferT()
    buffer.data = np.frombuffer(_floats(model.buffers[tensor.buffer].data).astype("<f2").tobytes(), np.uint8)
    model.buffers.append(buffer)
    half = TensorT()
    half.name, half.shape, half.type = tensor.name + b"_float16", tensor.shape, TensorType.FLOAT16
    half.buffer = len(model.buffers) - 1
    graph.tensors.append(half)
    if sum(each.buffer == tensor.buffer for one in model.subgraphs for each in one.tensors) == 1:
        model.buffers[tensor.buffer].data = None
    tensor.buffer = 0  # what an operator writes has the empty buffer
    operator = OperatorT()
    operator.opcodeIndex = code
    operator.inputs = np.array([len(graph.tensors) - 1], np.int32)
    operator.outputs = np.array([number], np.int32)
    return operator
