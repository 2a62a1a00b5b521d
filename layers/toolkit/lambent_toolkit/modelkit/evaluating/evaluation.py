"""From what a model answered to its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from lambent.contracts.model import Classification, Regression
from lambent_toolkit.modelkit.answer_loss import has_several_labels, loss_of, metric_of, why_unmeasured
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.bootstrap import FEW_ITEMS, RESAMPLES, SEED
from lambent_toolkit.modelkit.evaluating.classification import classification_figures
from lambent_toolkit.modelkit.evaluating.forecasts import Forecasts, naive_forecasts
from lambent_toolkit.modelkit.evaluating.making_sense import make_sense
from lambent_toolkit.modelkit.evaluating.measuring import Measured, measure, variant_figures
from lambent_toolkit.modelkit.evaluating.regression import regression_figures
from lambent_toolkit.modelkit.evaluating.several_labels import several_labels_figures
from lambent_toolkit.modelkit.evaluating.slices import classifier_slices, regression_slices
from lambent_toolkit.modelkit.evaluating.subject import Subject
from lambent_toolkit.modelkit.quantization_choice import contract_rule
from lambent_toolkit.modelkit.quantization_report import Loss, Metric
from lambent_toolkit.modelkit.recipe import Prepared, Split
from lambent_toolkit.modelkit.report import DataFigures, Report, Task, VariantFigures, measured_contract_sha256
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

TOOLS = ("tensorflow", "keras", "numpy", "pillow", "simplejpeg", "scikit-learn", "scipy", "babel", "tokenizers")
# Quantization may flip answers that were close; more than this is a broken calibration.
MIN_AGREEMENT = 0.97
_FEWEST_FOR_RMSE_LOSS = 2
# Where a series is split in the order of time, the last window of a part has a neighbour in the next.
_MOST_AMID = 0.1


@dataclass(frozen=True)
class Evaluation:
    """A report with what its page is drawn from.

    Parameters
    ----------
    report
    subject    what was measured
    part       the items
    measured   all answers
    """

    report: Report
    subject: Subject
    part: Prepared
    measured: Measured


def evaluate(
    subject: Subject, split: Split, *, data_name: str, watcher: Watcher = SILENCE, with_throughput: bool = False
) -> Evaluation:
    """Measure a model on the test part of some data; raises as `measure` does."""
    part = split.test
    measured = measure(subject, part, watcher=watcher, with_throughput=with_throughput)
    variants = variant_figures(subject, part, measured)
    loss = _loss(subject, part, measured)
    unmeasured = why_unmeasured(subject.contract, measured.outputs[subject.published], part.targets)
    is_regression = isinstance(subject.contract.postprocessing, Regression)
    forecasts = naive_forecasts(subject.contract, split) if is_regression else None
    figures = {} if unmeasured else _figures(subject, split, measured, forecasts)
    metric = metric_of(subject.contract, measured.outputs[subject.published], part.targets)
    sense = make_sense(subject, split, measured, figures, forecasts)
    report = Report(
        model=subject.contract.name,
        task=task_of(subject),
        model_sha256=variants[subject.published].sha256,
        contract_sha256=measured_contract_sha256(subject.contract),
        published=subject.published,
        reference=subject.float_model.name if subject.float_model else None,
        source=subject.source,
        data=DataFigures(
            name=data_name,
            train_items=len(split.train),
            validation_items=len(split.validation),
            test_items=len(part),
            sha256=split.sha256,
        ),
        variants=variants,
        loss=loss,
        **figures,
        baselines=sense.baselines,
        left_out=sense.left_out,
        findings=sense.findings,
        unmeasured=unmeasured,
        resamples=RESAMPLES,
        bootstrap_seed=SEED,
        warnings=[*_warnings(subject, part, variants, loss, metric), *_future(forecasts)],
        tools={name: version(name) for name in TOOLS}
        | {f"serving {name}": number for name, number in measured.place.versions.items()},
    )
    return Evaluation(report, subject, part, measured)


def task_of(subject: Subject) -> Task:
    """Return what kind of answer a model gives."""
    spec = subject.contract.postprocessing
    if isinstance(spec, Classification):
        return "classification"
    return "regression" if isinstance(spec, Regression) else "raw"


def _figures(subject: Subject, split: Split, measured: Measured, forecasts: Forecasts | None) -> Mapping[str, Any]:
    spec, contract, part = subject.contract.postprocessing, subject.contract, split.test
    if isinstance(spec, Classification):
        rows = answer_rows(measured.outputs[subject.published], contract, of=subject.name)
        if has_several_labels(part.targets):
            scores = score(rows, spec).scores
            return {"several_labels": several_labels_figures(scores, part.targets.astype(bool), spec)}
        classes = part.targets.astype(np.int64)
        return {
            "classification": classification_figures(rows, classes, spec),
            "slice_metric": "accuracy",
            "slices": classifier_slices(score(rows, spec).right(classes), part.slices),
        }
    if isinstance(spec, Regression):
        values = numbers(answer_rows(measured.outputs[subject.published], contract, of=subject.name), spec)
        targets = part.targets.astype(np.float64)
        return {
            "regression": regression_figures(
                values,
                targets,
                unit=spec.unit,
                naive_error=forecasts.scale(split.train.targets.astype(np.float64)) if forecasts else None,
            ),
            "slice_metric": "rmse",
            "slices": regression_slices(values - targets, part.slices),
        }
    return {}


def _loss(subject: Subject, part: Prepared, measured: Measured) -> Loss | None:
    """Return what the published file loses against the float model, on the same items."""
    if subject.float_model is None:
        return None
    ours, theirs = (measured.outputs[name] for name in (subject.published, subject.float_model.name))
    # By the served outputs, as everything else in the report: both are of one kind, but for a rounding.
    metric = metric_of(subject.contract, ours, part.targets)
    if metric == "rmse" and len(part) < _FEWEST_FOR_RMSE_LOSS:
        return None
    return loss_of(metric, subject.contract, ours, theirs, part.targets)


def _future(forecasts: Forecasts | None) -> Iterator[str]:
    if forecasts is not None and forecasts.amid > _MOST_AMID:
        yield (
            f"{forecasts.amid:.0%} of the test windows lie one step beside a window that was trained on: a model of a "
            "series is to be measured on what came later. Split the data in the order of time, by split in its file."
        )


def _warnings(
    subject: Subject, part: Prepared, variants: Mapping[str, VariantFigures], loss: Loss | None, metric: Metric
) -> list[str]:
    told = []
    figures = variants[subject.published]
    if figures.agreement is not None and figures.agreement < MIN_AGREEMENT:
        told.append(
            f"The {subject.published} file gives the float model's answer to only {figures.agreement:.1%} of the test "
            f"items; below {MIN_AGREEMENT:.0%} its calibration is most likely broken: calibrate with more "
            "representative data, or choose another form by `lambent quantize`."
        )
    if loss and (broken := contract_rule(subject.contract, metric).broken(loss, figures)):
        told.append(
            f"Against the float model, it breaks the contract's limits ({'; '.join(broken)}): the gate will not let it "
            "be published."
        )
    if len(part) < FEW_ITEMS:
        told.append(f"The test part has {len(part)} items only: all intervals are rough, and rather too narrow.")
    return told
