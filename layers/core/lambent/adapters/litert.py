"""Interpreter on LiteRT, or on its predecessor tflite-runtime where the numeric layer ships that one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lambent.adapters.tflite_limits import check_tflite_file
from lambent.adapters.tflite_rows import FileInterpreter, RowsInTurn
from lambent.adapters.tflite_signature import FileSignature, MatchedTensor, choose_signature, match_tensors
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.model import TFLITE_FILE
from lambent.errors import (
    Misconfigured,
    ModelLoadFailed,
    ModelOperatorUnsupported,
    RequestInvalid,
    TensorShapeMismatch,
)

PLATFORM = "tensorflow_lite"
# Only calling it shows some operators' forms that the runtime lacks; it has no error codes, see `_load_error`.
_UNRUNNABLE = ("is not supported", "not currently supported", "failed to create XNNPACK runtime")


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

    def load(self, model: Path, contract: ModelContract) -> FileInterpreter:
        """Load a verified file; it is mapped into memory and may be deleted once loaded.

        Raises
        ------
        ModelFormatRefused         not a TFLite flat buffer, or one that could harm the runtime, see `tflite_limits`
        ModelOperatorUnsupported   this runtime is older than an operator of the file, or does not have it at all
        ModelLoadFailed            refused for another reason
        ModelContractMismatch      its tensors are not the contract's
        """
        runtime = _open(model, threads=self._threads)
        signature = choose_signature(runtime, contract.signature)
        inputs, outputs = match_tensors(contract, signature)
        interpreter: FileInterpreter = (
            LiteInterpreter(runtime, inputs, outputs)
            if signature.runner is None
            else SignatureInterpreter(signature.runner, inputs, outputs)
        )
        if contract.rows_per_call is None:
            return interpreter
        without_batch = frozenset(each.spec.name for each in (*inputs, *outputs) if not each.has_batch)
        return RowsInTurn(interpreter, rows_per_call=contract.rows_per_call, without_batch=without_batch)


def open_signature(model: Path, name: str | None = None) -> FileSignature:
    """Return a file's signature as `choose_signature` does, for a file that has no contract yet.

    Raises
    ------
    ModelFormatRefused, ModelOperatorUnsupported, ModelLoadFailed   as `LiteInterpreterLoader.load`
    ModelContractMismatch                                           it has none of this name, or several
    """
    return choose_signature(_open(model, threads=1), name)


def _open(model: Path, *, threads: int) -> Any:
    check_tflite_file(model)
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
    return ModelLoadFailed(f"{RUNTIME} refused the model file.")


class LiteInterpreter:
    """One loaded file. Not thread-safe, like the runtime itself (tensorflow#26365)."""

    platform = PLATFORM

    def __init__(self, runtime: Any, inputs: list[MatchedTensor], outputs: list[MatchedTensor]) -> None:
        self._runtime = runtime
        self._inputs = [each.file for each in inputs]
        self._outputs = [each.file for each in outputs]
        self._names = tuple(tensor.name for tensor in self._inputs)
        self._shapes: list[tuple[int, ...]] | None = [
            tuple(int(dim) for dim in each.details["shape"]) for each in inputs
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
            raise _uncomputable(exc) from exc
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


class SignatureInterpreter:
    """One of several signatures of a file, by the runtime's own way to call it. Not thread-safe."""

    platform = PLATFORM

    def __init__(self, runner: Any, inputs: list[MatchedTensor], outputs: list[MatchedTensor]) -> None:
        self._runner = runner
        self._inputs = [each.file for each in inputs]
        self._outputs = [each.file for each in outputs]
        self.output_steps = {tensor.name: tensor.step for tensor in self._outputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter."""
        given = {tensor.name: tensor.to_file(inputs[tensor.name]) for tensor in self._inputs}
        try:
            answer = self._runner(**given)
        except (RuntimeError, ValueError) as exc:
            raise _uncomputable(exc) from exc
        return {tensor.name: tensor.from_file(answer[tensor.name]) for tensor in self._outputs}


def _uncomputable(exc: Exception) -> RequestInvalid | ModelLoadFailed:
    if any(words in str(exc) for words in _UNRUNNABLE):
        return ModelLoadFailed(
            f"{RUNTIME} cannot run the model file: it has an operator in a form that the runtime lacks, such as one of "
            "quantized numbers. Another form of the same model may run."
        )
    return RequestInvalid(
        "The model cannot compute these inputs: a value lies outside of what it was built for, such as a token id "
        "beyond its vocabulary.",
        field="inputs",
    )
