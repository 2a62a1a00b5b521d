"""How far a version's outputs may lie from its golden vectors where other kernels compute them.

Kernels of another processor or runtime add in another order. What a float output loses by that is a small share of it;
a quantized output may round to the next step. Where a softmax or a sigmoid computes the scores, its quantized input may
round to the other side too, and a step of logits is worth many steps of a score near one half and none near one. So
the tolerance is one and a half steps of the output and what one step of every logit does to the golden outputs
themselves: it is tight where the model is sure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

_STEPS = 1.5
_FLOAT_SHARE = 1e-3
# Activations are quantized at every call: what rounds the other way moves the scores by more than float kernels do.
_DYNAMIC_SHARE = 1e-2


def golden_tolerance(file: bytes, outputs: Mapping[str, Array], *, output_step: float, variant: str) -> float:
    """Return the tolerance (absolute) for a .tflite file.

    Parameters
    ----------
    file
    outputs       golden outputs, by name
    output_step   distance of two neighbouring values of an output, 0 if none is quantized
    variant       which the file is
    """
    if not output_step:
        share = _DYNAMIC_SHARE if variant == "dynamic" else _FLOAT_SHARE
        return share * max(float(np.abs(array).max()) for array in outputs.values())
    shifts = [
        float(score_shift(np.asarray(array, dtype=np.float64), step, is_softmax=is_softmax).max())
        for is_softmax, step in logit_steps(file)
        for array in outputs.values()
    ]
    return _STEPS * output_step + max(shifts, default=0.0)


def score_shift(scores: NDArray[np.float64], step: float, *, is_softmax: bool) -> NDArray[np.float64]:
    """Return by how much each score rises at most where logits are one step off.

    For a softmax its own logit one up and all others one down, for a sigmoid its own one up.
    """
    clipped = np.clip(scores, 0.0, 1.0)
    odds = np.exp(2 * step if is_softmax else step)
    shift: NDArray[np.float64] = clipped * odds / (clipped * odds + 1 - clipped) - clipped
    return shift


def logit_steps(file: bytes) -> Iterator[tuple[bool, float]]:
    """Yield, for each softmax or sigmoid that gives an output of a .tflite file, which it is and its input's step."""
    with quiet():
        from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(file))
    graph = model.subgraphs[0]
    given = {int(number) for number in graph.outputs}
    for operator in graph.operators:
        name = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        if name in {"SOFTMAX", "LOGISTIC"} and given & {int(number) for number in operator.outputs}:
            step = _step(graph.tensors[operator.inputs[0]])
            if step:
                yield name == "SOFTMAX", step


def _step(tensor: Any) -> float:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) != 1:
        return 0.0
    return float(quantization.scale[0])
