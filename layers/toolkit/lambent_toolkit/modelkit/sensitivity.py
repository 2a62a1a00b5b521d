"""Which layers int8 costs the accuracy.

Each layer is measured from both sides. *Alone*: everything but this layer in float, so that what is lost is what this
layer's weights and its inputs and outputs lose in 8 bits. *Spared*: only this layer in float, so that what is won back
is what leaving it alone would win. One side is not enough: of two neighbours that share one badly scaled tensor,
sparing either alone may win nothing, and each alone costs dearly.

Layers are ranked by the output error when alone. It has a value for any small change, where accuracy on some hundred
items moves in steps or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lambent.contracts.model import ModelContract, RawOutputs
from lambent.contracts.tensor import Array
from lambent.domain.model import TFLITE_FILE
from lambent_toolkit.modelkit.answer_loss import loss_of, metric_of
from lambent_toolkit.modelkit.quantization_limit import limit_of
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.selective_quantization import SelectiveQuantizer
from lambent_toolkit.modelkit.sensitivity_report import Effect, LayerSensitivity
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher


class EffectMeter:
    """Measures what files of one model do to its answers, in this environment's LiteRT.

    Parameters
    ----------
    contract
    validation       items that were not trained on
    keras_outputs    of the Keras model for them, by name
    """

    def __init__(self, contract: ModelContract, validation: Prepared, keras_outputs: dict[str, Array]) -> None:
        self._contract = contract
        self._validation = validation
        self._keras_outputs = keras_outputs
        self.metric = metric_of(contract, keras_outputs, validation.targets)

    @property
    def limit(self) -> float:
        """The most that the contract allows to be lost, in the unit of `Loss`."""
        return limit_of(self._contract, self.metric)

    def measure(self, file: bytes) -> Effect:
        """Run the validation items through a .tflite file; raises ModelLoadFailed."""
        return self.judge(run_file(file, self._contract, self._validation.tensors))

    def judge(self, outputs: Mapping[str, Array]) -> Effect:
        """Hold outputs for the validation items, wherever they were computed, against the Keras model's."""
        names = _answered(self._contract)
        ours, theirs = (
            np.concatenate([each[name].reshape(len(each[name]), -1) for name in names], axis=1)
            for each in (outputs, self._keras_outputs)
        )
        return Effect(
            loss=loss_of(self.metric, self._contract, outputs, self._keras_outputs, self._validation.targets),
            output_error=float(np.sqrt(np.mean((ours.astype(np.float64) - theirs) ** 2))),
        )


def measure_sensitivity(
    quantizer: SelectiveQuantizer, measure: Callable[[bytes], Effect], *, watcher: Watcher = SILENCE
) -> list[LayerSensitivity]:
    """Measure each layer alone in int8 and alone in float; the largest error first.

    Parameters
    ----------
    quantizer
    measure     what a file does, as `EffectMeter.measure`
    watcher     is told of every layer

    Raises
    ------
    ConversionFailed   the quantizer refuses
    """
    names = [each.layer for each in quantizer.layers]
    watcher.begin("sensitivity", total=len(names))
    measured = []
    for each in quantizer.layers:
        others = [name for name in names if name != each.layer]
        sensitivity = LayerSensitivity(
            layer=each.layer,
            operators=list(each.operators),
            alone=measure(quantizer.quantize(float_layers=others)),
            spared=measure(quantizer.quantize(float_layers=[each.layer])),
        )
        measured.append(sensitivity)
        watcher.advance(each.layer)
    return sorted(measured, key=lambda one: -one.alone.output_error)


def run_file(file: bytes, contract: ModelContract, tensors: dict[str, Array]) -> dict[str, Array]:
    """Return the outputs of a .tflite file by this environment's LiteRT, the serving adapter around it."""
    with quiet(), TemporaryDirectory() as folder:
        from lambent.adapters.litert import LiteInterpreterLoader

        path = Path(folder) / TFLITE_FILE
        path.write_bytes(file)
        interpreter = LiteInterpreterLoader(threads=1).load(path, contract)
        step, items = contract.limits.max_rows, len(next(iter(tensors.values())))
        parts = [
            interpreter.run({name: array[at : at + step] for name, array in tensors.items()})
            for at in range(0, items, step)
        ]
    return {spec.name: np.concatenate([part[spec.name] for part in parts]) for spec in contract.outputs}


def _answered(contract: ModelContract) -> list[str]:
    """Return the names of the outputs that callers are answered with: all of them where nothing is read from one."""
    spec = contract.postprocessing
    if isinstance(spec, RawOutputs):
        return [each.name for each in contract.outputs]
    return [spec.output or contract.outputs[0].name]
