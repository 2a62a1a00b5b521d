"""Every variant of a model in the serving interpreter, on the validation part.

A variant that is refused, that kills its interpreter or answers NaN costs the others nothing: it has a problem instead
of figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from lambent.contracts.model import Classification, ModelContract, Regression
from lambent.contracts.tensor import Array
from lambent.domain.model import digest
from lambent_toolkit.modelkit.answer_loss import loss_of, metric_of, why_unmeasured
from lambent_toolkit.modelkit.errors import ModelNotFinite, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.measuring import check_preprocessing, latency
from lambent_toolkit.modelkit.evaluating.regression import determination
from lambent_toolkit.modelkit.float_model import FloatModel
from lambent_toolkit.modelkit.lane_distance import lane_distance
from lambent_toolkit.modelkit.quantization_choice import with_frontiers
from lambent_toolkit.modelkit.quantization_loss import worst_class
from lambent_toolkit.modelkit.quantization_report import FloatFigures, Latency, VariantMeasurement, VariantRow
from lambent_toolkit.modelkit.recipe import Prepared, Split
from lambent_toolkit.modelkit.serving_check import Answers, Place, ServingBench
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class Measured:
    """What came out.

    Parameters
    ----------
    rows      of all variants in the order of their files, those that could not be made last
    answers   of the variants that answered
    place     the serving interpreter
    """

    rows: list[VariantRow]
    answers: dict[str, Answers]
    place: Place


class Judge:
    """Holds answers to the validation items against the float model's.

    Parameters
    ----------
    contract
    part             items with their targets
    float_outputs    of the float model for them, by name; raises ModelNotFinite if they are no finite numbers
    """

    def __init__(self, contract: ModelContract, part: Prepared, float_outputs: Outputs) -> None:
        if not _are_finite(float_outputs):
            raise ModelNotFinite(
                "The float model answers NaN or infinity to validation items, so nothing can be held against it. Train "
                "again with a lower learning rate, or look at the inputs."
            )
        self._contract, self._part, self._float = contract, part, float_outputs
        self._spec = contract.postprocessing
        self.unmeasured = why_unmeasured(contract, float_outputs, part.targets)
        self.metric = metric_of(contract, float_outputs, part.targets)

    def float_figures(self, model: FloatModel) -> FloatFigures:
        """Return the figures of the float model itself."""
        return FloatFigures(name=model.name, size_bytes=model.size_bytes, **self._own(self._float))

    def judge(
        self, outputs: Outputs, *, size_bytes: int, load_ms: float, latencies: list[Latency]
    ) -> VariantMeasurement:
        """Return a variant's figures."""
        errors = [np.abs(outputs[name].astype(np.float64) - array) for name, array in self._float.items()]
        return VariantMeasurement(
            size_bytes=size_bytes,
            load_ms=round(load_ms, 3),
            latencies=latencies,
            output_error_max=float(max(each.max() for each in errors)),
            output_error_mean=float(np.concatenate([each.ravel() for each in errors]).mean()),
            **self._own(outputs),
            **self._against_float(outputs),
        )

    def _own(self, outputs: Outputs) -> dict[str, float | None]:
        if self.metric == "accuracy":
            return {"accuracy": float(self._right(outputs).mean())}
        if not isinstance(self._spec, Regression):
            return {}
        values, targets = numbers(self._rows(outputs), self._spec), self._part.targets.astype(np.float64)
        return {"rmse": sqrt(float(np.mean((values - targets) ** 2))), "r2": determination(values, targets)}

    def _against_float(self, outputs: Outputs) -> dict[str, Any]:
        found = {
            "loss": loss_of(self.metric, self._contract, outputs, self._float, self._part.targets),
            **lane_distance(outputs, self._float, self._contract),
        }
        if self.metric == "accuracy" and isinstance(self._spec, Classification):
            ours, theirs = self._right(outputs), self._right(self._float)
            found["worst_class"] = worst_class(ours, theirs, self._part.targets.astype(np.int64), self._spec.labels)
        return found

    def _right(self, outputs: Outputs) -> Any:
        if not isinstance(self._spec, Classification):
            raise TypeError(f"{self._contract.name} is no classifier.")
        return score(self._rows(outputs), self._spec).right(self._part.targets.astype(np.int64))

    def _rows(self, outputs: Outputs) -> Array:
        return answer_rows(outputs, self._contract, of=self._contract.name)


def measure_variants(
    split: Split,
    files: Mapping[str, bytes],
    judge: Judge,
    *,
    problems: Mapping[str, str] | None = None,
    watcher: Watcher = SILENCE,
) -> Measured:
    """Run files on the validation part, one process each, then time those that answered, taking turns.

    Parameters
    ----------
    split
    files      variant → bytes of its .tflite file
    judge      of the validation part
    problems   variants that there are no files of, and why
    watcher    is told of every variant

    Raises
    ------
    ServingRefused       preprocessing refused an item
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or cannot be run
    """
    problems, answers = dict(problems or {}), {}
    watcher.begin("measure where it serves", total=len(files) + 1)
    with ServingBench(split.contract, assets=split.declaration.assets) as bench:
        place = bench.prepare(split.validation.items)
        check_preprocessing(split.validation, bench.tensors())
        for name, file in files.items():
            bench.put(name, file)
            found = _try(bench, name)
            if isinstance(found, str):
                problems[name] = found
            else:
                answers[name] = found
            watcher.advance(f"{name} in {place.runtime}" if name in answers else f"{name}: {problems[name]}")
        taken = bench.time(list(answers)) if answers else {}
        watcher.advance("latencies, in turns")
    rows = [
        VariantRow(
            variant=name,
            sha256=digest(file),
            problem=problems.get(name),
            measured=judge.judge(
                answers[name].outputs,
                size_bytes=len(file),
                load_ms=answers[name].load_ms,
                latencies=[latency(threads, rounds) for threads, rounds in taken[name].items()],
            )
            if name in answers
            else None,
        )
        for name, file in files.items()
    ]
    rows += [VariantRow(variant=name, problem=why) for name, why in problems.items() if name not in files]
    return Measured(with_frontiers(rows), answers, place)


def _try(bench: ServingBench, variant: str) -> Answers | str:
    """Return a variant's answers, or why there are none."""
    try:
        answers = bench.predict(variant)
    except ServingRefused as exc:
        return f"the serving interpreter refuses it: {exc.detail} ({exc.code})"
    except ServingCheckFailed as exc:
        if exc.waited_s is not None:
            return (
                f"took longer than {exc.waited_s:.0f} s to answer the validation items, so that nothing is known of it"
            )
        return f"crashes when it serves: {exc}"
    return answers if _are_finite(answers.outputs) else "answers NaN or infinity"


def _are_finite(outputs: Outputs) -> bool:
    return all(bool(np.isfinite(array).all()) for array in outputs.values())
