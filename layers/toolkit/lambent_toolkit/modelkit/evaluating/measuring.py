"""Run everything there is of a model on a part of the data: .tflite files where Lambda runs them, the float model here.

The .tflite files answer in the serving interpreter (processes with the layers' packages only), from raw items on, and
are timed there in turns. Their tensors have to be those of training, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from lambent.contracts.model import Classification, ModelContract, Regression, TensorPreprocessing
from lambent.contracts.tensor import Array
from lambent.contracts.throughput import VersionThroughput
from lambent.domain.model import digest
from lambent.runtime.clock import SystemClock
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.answer_loss import has_several_labels, why_unmeasured
from lambent_toolkit.modelkit.errors import ServingCheckFailed
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, check_finite, numbers, score
from lambent_toolkit.modelkit.evaluating.regression import determination
from lambent_toolkit.modelkit.evaluating.several_labels import mean_average_precision
from lambent_toolkit.modelkit.evaluating.subject import Subject
from lambent_toolkit.modelkit.lane_distance import lane_distance
from lambent_toolkit.modelkit.quantization_report import Latency
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.report import VariantFigures
from lambent_toolkit.modelkit.serving_check import Answers, Place, ServingBench
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher


@dataclass(frozen=True)
class Measured:
    """What all forms of a model answered.

    Parameters
    ----------
    outputs     variant → output → (items, …); the float model's under its name
    answers     of the .tflite files, with what loading took
    latencies   of the .tflite files
    golden      the published file's items, tensors and outputs
    place       the serving interpreter
    throughput  of the published file and the float model, where that was asked for
    """

    outputs: Mapping[str, Mapping[str, Array]]
    answers: Mapping[str, Answers]
    latencies: Mapping[str, list[Latency]]
    golden: GoldenVectors
    place: Place
    throughput: VersionThroughput | None = None


def measure(
    subject: Subject,
    part: Prepared,
    *,
    watcher: Watcher = SILENCE,
    with_timing: bool = True,
    with_throughput: bool = False,
) -> Measured:
    """Run a model's files on a part of the data.

    Raises
    ------
    ServingRefused       the serving interpreter does not take a file, or preprocessing an item
    ServingCheckFailed   the layers' packages preprocess otherwise than training did, or crashed
    AnswersNotFinite     a form of the model answers NaN or infinity
    """
    watcher.begin(
        "evaluate", total=len(subject.files) + (subject.float_model is not None) + with_timing + with_throughput
    )
    outputs: dict[str, Mapping[str, Array]] = {}
    if subject.float_model:
        outputs[subject.float_model.name] = subject.float_model.outputs(part, subject.contract)
        watcher.advance(f"{subject.float_model.name} in TensorFlow")
    with ServingBench(subject.contract, assets=subject.assets) as bench:
        place = bench.prepare(part.items)
        check_preprocessing(part, bench.tensors())
        answers = {}
        for name, file in subject.files.items():
            bench.put(name, file)
            answers[name] = bench.predict(name)
            watcher.advance(f"{name} in {place.runtime}")
        taken = bench.time(list(subject.files)) if with_timing else {}
        if with_timing:
            watcher.advance("latencies")
        throughput = _throughput(subject, part, bench) if with_throughput else None
        if with_throughput:
            watcher.advance("throughput")
    outputs |= {name: each.outputs for name, each in answers.items()}
    for name, arrays in outputs.items():
        for array in arrays.values():
            check_finite(array, of=f"{subject.name}, {name},")
    # Of a model that takes tensors, the tensors are the items.
    takes_tensors = isinstance(subject.contract.preprocessing, TensorPreprocessing)
    raw = [] if takes_tensors else part.items
    golden = GoldenVectors(raw, part.tensors, answers[subject.published].outputs)
    latencies = {name: [latency(threads, rounds) for threads, rounds in by.items()] for name, by in taken.items()}
    return Measured(outputs, answers, latencies, golden, place, throughput)


def _throughput(subject: Subject, part: Prepared, bench: ServingBench) -> VersionThroughput:
    """Measure what the planner of batches will count with: last, when nothing else runs beside it."""
    return VersionThroughput(
        measured_at=SystemClock().now(),
        served=bench.rate(subject.published),
        keras=subject.float_model.rate(part, subject.contract) if subject.float_model else None,
    )


def check_preprocessing(part: Prepared, tensors: Mapping[str, Array]) -> None:
    """Raise ServingCheckFailed unless the serving interpreter's tensors are those of training, bit for bit."""
    for name, expected in part.tensors.items():
        if not np.array_equal(expected, tensors[name]):
            raise ServingCheckFailed(
                f"The layers' packages preprocess the test items otherwise than training did: input {name} differs."
            )


def latency(threads: int, rounds: Sequence[Sequence[float]]) -> Latency:
    """Return the latency of the calls of all rounds, milliseconds each."""
    calls = np.concatenate([np.asarray(each) for each in rounds])
    p50_ms, p99_ms = np.percentile(calls, (50, 99))
    low_ms, high_ms = np.percentile([np.median(each) for each in rounds], (25, 75))
    return Latency(
        threads=threads,
        calls=len(calls),
        p50_ms=round(float(p50_ms), 4),
        p99_ms=round(float(p99_ms), 4),
        low_ms=round(float(low_ms), 4),
        high_ms=round(float(high_ms), 4),
    )


def variant_figures(subject: Subject, part: Prepared, measured: Measured) -> dict[str, VariantFigures]:
    """Return the figures of every form of the model, the float model first."""
    reference = subject.float_model.name if subject.float_model else None
    found = {}
    for name, outputs in measured.outputs.items():
        against = measured.outputs[reference] if reference else None
        found[name] = VariantFigures(
            **_where(subject, measured, name),
            **_quality(outputs, part, subject.contract, of=name),
            **(_nearness(outputs, against, subject.contract) if against is not None else {}),
        )
    return found


def _where(subject: Subject, measured: Measured, name: str) -> dict[str, Any]:
    if subject.float_model and name == subject.float_model.name:
        file = subject.float_model
        return {"size_bytes": file.size_bytes, "sha256": file.sha256, "runtime": "tensorflow"}
    place = measured.place
    return {
        "size_bytes": len(subject.files[name]),
        "sha256": digest(subject.files[name]),
        "runtime": f"{place.runtime} {place.versions[place.runtime]}",
        "load_ms": round(measured.answers[name].load_ms, 3),
        "latencies": measured.latencies.get(name, []),
    }


def _quality(outputs: Mapping[str, Array], part: Prepared, contract: ModelContract, *, of: str) -> dict[str, Any]:
    spec = contract.postprocessing
    if isinstance(spec, Classification):
        if has_several_labels(part.targets):
            scores = score(answer_rows(outputs, contract, of=of), spec).scores
            return {"mean_average_precision": mean_average_precision(scores, part.targets.astype(bool))}
        if why_unmeasured(contract, outputs, part.targets) is not None:
            return {}
        right = score(answer_rows(outputs, contract, of=of), spec).right(part.targets.astype(np.int64))
        return {"accuracy": float(right.mean())}
    if isinstance(spec, Regression):
        targets = part.targets.astype(np.float64)
        values = numbers(answer_rows(outputs, contract, of=of), spec)
        return {
            "rmse": sqrt(float(((values - targets) ** 2).mean())),
            "mae": float(np.abs(values - targets).mean()),
            "r2": determination(values, targets),
        }
    return {}


def _nearness(outputs: Mapping[str, Array], reference: Mapping[str, Array], contract: ModelContract) -> dict[str, Any]:
    errors = [np.abs(outputs[name].astype(np.float64) - array.astype(np.float64)) for name, array in reference.items()]
    found: dict[str, Any] = {
        "output_error_max": float(max(each.max() for each in errors)),
        "output_error_mean": float(np.concatenate([each.ravel() for each in errors]).mean()),
    }
    return found | lane_distance(outputs, reference, contract)
