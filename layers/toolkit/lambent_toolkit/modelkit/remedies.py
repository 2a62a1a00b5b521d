"""What helps a model that loses too much in int8: knowing its sensitive layers, leaving them in float, fine-tuning.

All of it is measured on the validation part. Layers are searched in this environment's LiteRT, dozens of files in one
process; what is kept is measured once more where it is to serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from msgspec.structs import replace

from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.mixed_precision import spare_worst_layers
from lambent_toolkit.modelkit.quantization import Tensors
from lambent_toolkit.modelkit.quantization_aware import EPOCHS, fine_tune
from lambent_toolkit.modelkit.recipe import Split
from lambent_toolkit.modelkit.selective_quantization import SelectiveQuantizer
from lambent_toolkit.modelkit.sensitivity import EffectMeter, measure_sensitivity
from lambent_toolkit.modelkit.sensitivity_report import FineTuning, MixedPrecision, SensitivityReport
from lambent_toolkit.modelkit.serving_check import serve
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher


@dataclass(frozen=True)
class Mixed:
    """A mixed-precision file; None if int8 as a whole holds the limit."""

    report: SensitivityReport
    tflite_file: bytes | None


@dataclass(frozen=True)
class Adapted:
    """A model that was fine-tuned for int8, and its file."""

    report: FineTuning
    keras_file: bytes
    tflite_file: bytes


class Remedies:
    """The remedies for one trained model.

    Parameters
    ----------
    keras_file    bytes of model.keras
    split         calibrates and fine-tunes on its training part, measures on its validation part
    calibration   (n, …) by input name, preprocessed training inputs
    watcher       is told of every step
    """

    def __init__(self, keras_file: bytes, split: Split, calibration: Tensors, *, watcher: Watcher = SILENCE) -> None:
        self._keras_file, self._split, self._calibration, self._watcher = keras_file, split, calibration, watcher
        self._meter = EffectMeter(split.contract, split.validation, keras_outputs(keras_file, split))

    def sensitivity(self) -> SensitivityReport:
        """Measure what each layer costs in int8.

        Raises
        ------
        ConversionFailed   the converter has no int8 form of this model
        """
        return self._sensitivity()

    def mixed(self, *, limit: float | None = None) -> Mixed:
        """Leave as few layers in float as keep the loss within a limit; the contract's own if None.

        Raises
        ------
        ConversionFailed                     the converter has no int8 form of this model
        NoVariantHolds                       not even with every layer in float
        ServingRefused, ServingCheckFailed   the serving interpreter does not take the file
        """
        report, quantizer = self._sensitivity(), self._quantizer
        most = self._meter.limit if limit is None else limit
        steps = spare_worst_layers(quantizer, report.layers, self._meter.measure, limit=most, watcher=self._watcher)
        found = [step for step in steps if step.holds_limit][-1]
        file = quantizer.quantize(float_layers=found.float_layers)
        mixed = MixedPrecision(
            limit=most,
            float_layers=found.float_layers,
            size_bytes=len(file),
            sha256=sha256(file).hexdigest(),
            effect=self._meter.judge(self._served(file)),
            steps=steps,
        )
        return Mixed(replace(report, mixed=mixed), file if found.float_layers else None)

    def fine_tuned(self, *, batch_size: int, seed: int, epochs: int = EPOCHS) -> Adapted:
        """Fine-tune for int8, see `quantization_aware.fine_tune`.

        Raises
        ------
        LayerUnsupported                     the model has a layer that cannot be fine-tuned so
        ConversionFailed                     the converter has no int8 form of this model
        ServingRefused, ServingCheckFailed   the serving interpreter does not take the file
        """
        tuned = fine_tune(
            self._keras_file,
            self._split,
            self._calibration,
            batch_size=batch_size,
            seed=seed,
            epochs=epochs,
            watcher=self._watcher,
        )
        report = FineTuning(
            model=self._split.contract.name,
            metric=self._meter.metric,
            keras_sha256=sha256(self._keras_file).hexdigest(),
            data_sha256=self._split.sha256,
            validation_items=len(self._split.validation),
            seed=seed,
            learning_rate=tuned.learning_rate,
            validation_losses=tuned.validation_losses,
            kept_epoch=tuned.kept_epoch,
            int8=self._meter.measure(self._quantizer.quantize()),
            qat=self._meter.judge(self._served(tuned.tflite_file)),
            size_bytes=len(tuned.tflite_file),
            sha256=sha256(tuned.tflite_file).hexdigest(),
        )
        return Adapted(report, tuned.keras_file, tuned.tflite_file)

    @cached_property
    def _quantizer(self) -> SelectiveQuantizer:
        self._watcher.begin("calibrate int8", total=1)
        quantizer = SelectiveQuantizer(self._keras_file, self._split.contract, self._calibration)
        self._watcher.advance(f"{len(quantizer.layers)} layers")
        return quantizer

    def _sensitivity(self) -> SensitivityReport:
        from lambent.adapters import litert

        quantizer = self._quantizer
        return SensitivityReport(
            model=self._split.contract.name,
            metric=self._meter.metric,
            keras_sha256=sha256(self._keras_file).hexdigest(),
            data_sha256=self._split.sha256,
            validation_items=len(self._split.validation),
            runtime=litert.RUNTIME,
            int8=self._meter.measure(quantizer.quantize()),
            layers=measure_sensitivity(quantizer, self._meter.measure, watcher=self._watcher),
        )

    def _served(self, file: bytes) -> dict[str, Array]:
        self._watcher.begin("measure in the serving interpreter", total=1)
        split = self._split
        run = serve(file, split.contract, split.validation.items, assets=split.declaration.assets)
        self._watcher.advance(f"{run.runtime} {run.versions[run.runtime]}")
        return dict(run.golden.outputs)


def keras_outputs(keras_file: bytes, split: Split) -> dict[str, Array]:
    """Return what the Keras model answers to the validation items, by the contract's names."""
    model = from_keras_file(keras_file)
    inputs = [split.validation.tensors[spec.name] for spec in split.contract.inputs]
    with quiet():
        from lambent.adapters.keras_structure import flat_outputs, pack_inputs

        outputs = flat_outputs(model.predict(pack_inputs(model, inputs), verbose=0))
    return {spec.name: output for spec, output in zip(split.contract.outputs, outputs, strict=True)}
