"""Interpreter on LiteRT, or on its predecessor tflite-runtime where the numeric layer ships that one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import TFLITE_FILE
from lambent.errors import (
    ModelContractMismatch,
    ModelFormatRefused,
    ModelLoadFailed,
    ModelOperatorUnsupported,
)

try:
    from ai_edge_litert.interpreter import Interpreter as _Runtime

    RUNTIME = "ai-edge-litert"
except ModuleNotFoundError:
    from tflite_runtime.interpreter import Interpreter as _Runtime

    RUNTIME = "tflite-runtime"

PLATFORM = "tensorflow_lite"
_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every TFLite flat buffer


class LiteInterpreterLoader:
    """Loads .tflite files; ``threads`` is how many threads one call may use."""

    file = TFLITE_FILE

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads

    def load(self, model: bytes, contract: ModelContract) -> LiteInterpreter:
        """Load a verified file.

        Raises
        ------
        ModelFormatRefused         not a TFLite flat buffer
        ModelOperatorUnsupported   this runtime is older than an operator of the file
        ModelLoadFailed            refused for another reason
        ModelContractMismatch      its signature is not the contract's
        """
        if model[4:8] != _IDENTIFIER:
            raise ModelFormatRefused("The model file is not a TFLite flat buffer (no TFL3 identifier).")
        try:
            runtime = _Runtime(model_content=model, num_threads=self._threads)
            runtime.allocate_tensors()
        except (ValueError, RuntimeError) as exc:
            raise _load_error(exc) from exc
        return LiteInterpreter(runtime, contract)


def _load_error(exc: Exception) -> ModelLoadFailed | ModelOperatorUnsupported:
    # The runtime has no error codes; a test with a real newer file guards this text.
    if "Didn't find op" in str(exc):
        return ModelOperatorUnsupported(
            f"The model uses operators newer than {RUNTIME} knows. Deploy the numeric layer with LiteRT "
            "(parameter Interpreter=litert), or publish the model quantized to full int8."
        )
    return ModelLoadFailed(f"{RUNTIME} refused the model file.")


class LiteInterpreter:
    """One loaded file. Not thread-safe, like the runtime itself (tensorflow#26365)."""

    platform = PLATFORM

    def __init__(self, runtime: Any, contract: ModelContract) -> None:
        self._runtime = runtime
        signature = _signature(runtime)
        self._inputs = _match(contract.inputs, signature.get_input_details(), side="inputs")
        self._outputs = _match(contract.outputs, signature.get_output_details(), side="outputs")

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter."""
        runtime = self._runtime
        self._resize(inputs)
        for tensor in self._inputs:
            runtime.set_tensor(tensor.index, tensor.to_file(inputs[tensor.name]))
        runtime.invoke()
        # get_tensor copies; tensor() would hand out memory that the next call overwrites (google-coral/tflite#42).
        return {tensor.name: tensor.from_file(runtime.get_tensor(tensor.index)) for tensor in self._outputs}

    def _resize(self, inputs: Mapping[str, Array]) -> None:
        changed = [tensor for tensor in self._inputs if tensor.shape != inputs[tensor.name].shape]
        for tensor in changed:
            tensor.shape = inputs[tensor.name].shape
            self._runtime.resize_tensor_input(tensor.index, tensor.shape)
        if changed:
            self._runtime.allocate_tensors()


class _FileTensor:
    """A tensor of the file beside its contract: quantized in the file, real numbers outside."""

    def __init__(self, spec: TensorSpec, details: Mapping[str, Any]) -> None:
        self.name = spec.name
        self.index: int = details["index"]
        self.shape: tuple[int, ...] = tuple(int(dim) for dim in details["shape"])
        self._wire = DTYPE_BY_DATATYPE[spec.datatype]
        self._stored = np.dtype(details["dtype"])
        scale, zero_point = details["quantization"]
        self._scale, self._zero_point = np.float32(scale), int(zero_point)
        self._is_quantized = scale != 0 and self._wire.kind == "f" and self._stored.kind in "iu"
        if not self._is_quantized and self._wire != self._stored:
            raise ModelContractMismatch(
                f"Tensor {spec.name} is {self._stored} in the file, but {spec.datatype} in the contract.",
                field=spec.name,
            )

    def to_file(self, array: Array) -> Array:
        """Quantize: round half to even and clip, as TensorFlow Lite's QUANTIZE operator does."""
        if not self._is_quantized:
            return array.astype(self._stored, copy=False)
        info = np.iinfo(self._stored)
        quantized: Array = np.clip(np.rint(array / self._scale) + self._zero_point, info.min, info.max)
        return quantized.astype(self._stored)

    def from_file(self, array: Array) -> Array:
        """Dequantize: ``(q - zero_point) * scale``."""
        if not self._is_quantized:
            return array
        real: Array = (array.astype(np.int32) - self._zero_point) * self._scale
        return real.astype(self._wire)


def _signature(runtime: Any) -> Any:
    names = list(runtime.get_signature_list())
    if len(names) != 1:
        raise ModelContractMismatch(
            f"The model file has {len(names)} signatures, it needs exactly one, which names its inputs and outputs."
        )
    return runtime.get_signature_runner(names[0])


def _match(specs: tuple[TensorSpec, ...], details: Mapping[str, Any], *, side: str) -> list[_FileTensor]:
    declared = {spec.name: spec for spec in specs}
    if set(declared) != set(details):
        raise ModelContractMismatch(
            f"The file's {side} are {sorted(details)}, the contract's are {sorted(declared)}.", field=side
        )
    for name, spec in declared.items():
        _check_shape(spec, details[name])
    return [_FileTensor(spec, details[name]) for name, spec in declared.items()]


def _check_shape(spec: TensorSpec, details: Mapping[str, Any]) -> None:
    stored = [int(dim) for dim in details["shape_signature"]]
    # A free dimension in the contract needs a free one in the file; the reverse only narrows.
    fits = len(stored) == len(spec.shape) and all(
        have in (-1, want) for have, want in zip(stored, spec.shape, strict=True)
    )
    if not fits:
        raise ModelContractMismatch(
            f"Tensor {spec.name} has shape {stored} in the file, but {list(spec.shape)} in the contract.",
            field=spec.name,
            limit=stored,
            got=list(spec.shape),
        )
