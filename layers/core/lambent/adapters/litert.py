"""Interpreter on LiteRT, or on its predecessor tflite-runtime where the numeric layer ships that one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lambent.adapters.file_tensor import FileTensor
from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import Array
from lambent.domain.model import TFLITE_FILE
from lambent.errors import (
    Misconfigured,
    ModelContractMismatch,
    ModelFormatRefused,
    ModelLoadFailed,
    ModelOperatorUnsupported,
    RequestInvalid,
    TensorShapeMismatch,
)

PLATFORM = "tensorflow_lite"
_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every TFLite flat buffer


def _import_runtime() -> tuple[str, Any]:
    """Return name and class of the interpreter that there is; one that is there and broken is told, not replaced."""
    if find_spec("ai_edge_litert") is not None:
        from ai_edge_litert.interpreter import Interpreter

        return "ai-edge-litert", Interpreter
    from tflite_runtime.interpreter import Interpreter as Predecessor

    return "tflite-runtime", Predecessor


try:
    RUNTIME, _Runtime = _import_runtime()
except ImportError as exc:
    raise Misconfigured(
        f"The numeric layer's interpreter cannot be loaded by Python {sys.version.split()[0]} on this system: {exc}. "
        "Build and deploy with the same PythonVersion, Architecture and Interpreter."
    ) from exc


class LiteInterpreterLoader:
    """Loads .tflite files; ``threads`` is how many threads one call may use."""

    file = TFLITE_FILE

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = threads

    def load(self, model: Path, contract: ModelContract) -> LiteInterpreter:
        """Load a verified file; it is mapped into memory and may be deleted once loaded.

        Raises
        ------
        ModelFormatRefused         not a TFLite flat buffer
        ModelOperatorUnsupported   this runtime is older than an operator of the file
        ModelLoadFailed            refused for another reason
        ModelContractMismatch      its signature is not the contract's
        """
        return LiteInterpreter(_open(model, threads=self._threads), contract)


def open_signature(model: Path) -> Any:
    """Return the runtime's own view of a file's one signature, for a file that has no contract yet.

    Raises
    ------
    ModelFormatRefused, ModelOperatorUnsupported, ModelLoadFailed   as `LiteInterpreterLoader.load`
    ModelContractMismatch                                           it has no signature, or several
    """
    return _signature(_open(model, threads=1))


def _open(model: Path, *, threads: int) -> Any:
    with model.open("rb") as file:
        head = file.read(8)
    if head[4:] != _IDENTIFIER:
        raise ModelFormatRefused("The model file is not a TFLite flat buffer (no TFL3 identifier).")
    try:
        runtime = _Runtime(model_path=str(model), num_threads=threads)
        runtime.allocate_tensors()
    except (ValueError, RuntimeError) as exc:
        raise _load_error(exc) from exc
    return runtime


def _load_error(exc: Exception) -> ModelLoadFailed | ModelOperatorUnsupported:
    # The runtime has no error codes; tests with real files guard these texts.
    if "Didn't find op" in str(exc):
        return ModelOperatorUnsupported(
            f"The model uses operators newer than {RUNTIME} knows. Deploy the numeric layer with LiteRT "
            "(parameter Interpreter=litert), or publish the model quantized to full int8."
        )
    if "Select TensorFlow op" in str(exc):
        return ModelOperatorUnsupported(
            f"The model uses operators of TensorFlow itself (Flex, SELECT_TF_OPS), which {RUNTIME} does not have: "
            "convert it with TFLITE_BUILTINS only."
        )
    return ModelLoadFailed(f"{RUNTIME} refused the model file.")


class LiteInterpreter:
    """One loaded file. Not thread-safe, like the runtime itself (tensorflow#26365)."""

    platform = PLATFORM

    def __init__(self, runtime: Any, contract: ModelContract) -> None:
        self._runtime = runtime
        signature = _signature(runtime)
        inputs = signature.get_input_details()
        self._inputs = _match(contract.inputs, inputs, side="inputs")
        self._outputs = _match(contract.outputs, signature.get_output_details(), side="outputs")
        self._names = tuple(tensor.name for tensor in self._inputs)
        self._shapes: list[tuple[int, ...]] | None = [
            tuple(int(dim) for dim in inputs[name]["shape"]) for name in self._names
        ]

    @property
    def output_steps(self) -> dict[str, float]:
        """The distance of two neighbouring values of each quantized output; 0 for an output of real numbers."""
        return {tensor.name: tensor.step for tensor in self._outputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter."""
        runtime = self._runtime
        arrays = [inputs[name] for name in self._names]
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            self._resize(shapes)
        for tensor, array in zip(self._inputs, arrays, strict=True):
            runtime.set_tensor(tensor.index, tensor.to_file(array))
        try:
            runtime.invoke()
        except (RuntimeError, ValueError) as exc:
            raise RequestInvalid(
                "The model cannot compute these inputs: a value lies outside of what it was built for, such as a token "
                "id beyond its vocabulary.",
                field="inputs",
            ) from exc
        # get_tensor copies; tensor() would hand out memory that the next call overwrites (google-coral/tflite#42).
        return {tensor.name: tensor.from_file(runtime.get_tensor(tensor.index)) for tensor in self._outputs}

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        # Unknown until it has worked: a call that failed half-way must not pass for done.
        self._shapes = None
        try:
            for tensor, shape in zip(self._inputs, shapes, strict=True):
                self._runtime.resize_tensor_input(tensor.index, shape)
            self._runtime.allocate_tensors()
        except (RuntimeError, ValueError) as exc:
            raise TensorShapeMismatch(
                "The model cannot be run with inputs of these shapes together.",
                field="inputs",
                got=[list(shape) for shape in shapes],
            ) from exc
        self._shapes = shapes


def _signature(runtime: Any) -> Any:
    names = list(runtime.get_signature_list())
    if len(names) != 1:
        raise ModelContractMismatch(
            f"The model file has {len(names)} signatures, it needs exactly one, which names its inputs and outputs."
        )
    return runtime.get_signature_runner(names[0])


def _match(specs: tuple[TensorSpec, ...], details: Mapping[str, Any], *, side: str) -> list[FileTensor]:
    declared = {spec.name: spec for spec in specs}
    if set(declared) != set(details):
        raise ModelContractMismatch(
            f"The file's {side} are {sorted(details)}, the contract's are {sorted(declared)}.", field=side
        )
    for name, spec in declared.items():
        _check_shape(spec, details[name])
    return [FileTensor(spec, details[name]) for name, spec in declared.items()]


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
