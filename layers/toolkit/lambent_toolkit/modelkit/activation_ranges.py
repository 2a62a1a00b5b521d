"""The ranges that full quantization is made of: the least and the largest value of every tensor that it rounds.

Read off the float32 file, operator by operator, because its tensors are those that the converter calibrates; so it
works alike for whatever the file was made of. Tensors within a loop's or a branch's own subgraph are not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ModelContract
from lambent_toolkit.modelkit.conversion_refusals import refused
from lambent_toolkit.modelkit.errors import ConversionFailed, ModelNotFinite
from lambent_toolkit.modelkit.quantization import Tensors
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

# All tensors of all operators are kept at once: few rows, or a large network fills the memory.
_ROWS = 8


class ActivationRanges:
    """Ranges that widen with every item seen.

    Parameters
    ----------
    float_file   bytes of the float32 .tflite file
    contract     its inputs name the file's
    """

    def __init__(self, float_file: bytes, contract: ModelContract) -> None:
        with quiet():
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

            self._interpreter: Any = Interpreter(
                model_content=float_file,
                # A delegate computes several operators in one go and leaves nothing of the tensors between them.
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
        details = self._interpreter.get_signature_runner().get_input_details()
        self._inputs = {
            spec.name: (details[spec.name]["index"], details[spec.name]["dtype"]) for spec in contract.inputs
        }
        self._rows = contract.rows_per_call or _ROWS
        self._tensors = _computed_tensors(float_file)
        self._low = np.full(len(self._tensors), np.inf)
        self._high = np.full(len(self._tensors), -np.inf)

    def take(self, tensors: Tensors) -> None:
        """Widen the ranges by items, (n, …) by input name; raises ModelNotFinite, ConversionFailed."""
        items = len(next(iter(tensors.values())))
        for start in range(0, items, self._rows):
            self._run({name: array[start : start + self._rows] for name, array in tensors.items()})
            for place, tensor in enumerate(self._tensors):
                values = self._interpreter.get_tensor(tensor)
                if values.size:
                    self._low[place] = min(self._low[place], values.min())
                    self._high[place] = max(self._high[place], values.max())
        widths = self.widths()
        if not np.isfinite(widths).all():
            raise ModelNotFinite(
                "The model computes NaN or infinity for training items: no 8-bit range can hold that. Train again with "
                "a lower learning rate, or scale the inputs down."
            )

    def widths(self) -> NDArray[np.float64]:
        """Return the width of every tensor's range so far, shape (tensors,); 0 where it has only ever been empty."""
        seen = ~np.isposinf(self._low)
        return np.where(seen, self._high - np.where(seen, self._low, 0.0), 0.0)

    def _run(self, tensors: Tensors) -> None:
        for name, (index, _) in self._inputs.items():
            self._interpreter.resize_tensor_input(index, tensors[name].shape)
        self._interpreter.allocate_tensors()
        for name, (index, dtype) in self._inputs.items():
            self._interpreter.set_tensor(index, np.ascontiguousarray(tensors[name], dtype=dtype))
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as exc:
            raise ConversionFailed(
                f"The float32 file converts, but TensorFlow Lite cannot run it: {refused(exc).said}. Export the model "
                "with its weights in the graph, as `model.export(FOLDER)` does."
            ) from exc


def growth(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return by how much the widest-growing range grew, as a share of what it is now: 0 to 1."""
    grown = np.divide(after - before, after, out=np.zeros_like(after), where=after > 0)
    return float(grown.max(initial=0.0))


def _computed_tensors(float_file: bytes) -> list[int]:
    """Return the numbers of the tensors of 32-bit floats that hold no constant: inputs, and what operators make."""
    with quiet():
        from tensorflow.lite.python.schema_py_generated import TensorType
        from tensorflow.lite.tools import flatbuffer_utils

    graph = flatbuffer_utils.convert_bytearray_to_object(bytearray(float_file)).subgraphs[0]
    numbers = {int(number) for number in graph.inputs}
    numbers |= {int(number) for operator in graph.operators for number in operator.outputs}
    return sorted(n for n in numbers if n >= 0 and graph.tensors[n].type == TensorType.FLOAT32)
