"""The sense of a model's answers, see `sense`, with what can run the model once more."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from lambent.contracts.model import ModelContract, Regression
from lambent_toolkit.modelkit.evaluating.answers import answer_rows
from lambent_toolkit.modelkit.evaluating.forecasts import Forecasts
from lambent_toolkit.modelkit.evaluating.measuring import Measured
from lambent_toolkit.modelkit.evaluating.picture_readings import Outputs, exchanged
from lambent_toolkit.modelkit.evaluating.sense import Sense, classifier_sense, raw_sense, regression_sense
from lambent_toolkit.modelkit.evaluating.several_labels_sense import several_labels_sense
from lambent_toolkit.modelkit.evaluating.subject import Subject
from lambent_toolkit.modelkit.recipe import Prepared, Split
from lambent_toolkit.modelkit.serving_check import ServingBench


def make_sense(
    subject: Subject,
    split: Split,
    measured: Measured,
    figures: Mapping[str, Any],
    forecasts: Forecasts | None = None,
) -> Sense:
    """Return what a model was held against and what is wrong with its answers.

    Parameters
    ----------
    figures     of the published file, by the report's field: none where its answers cannot be measured
    forecasts   that a regression must beat
    """
    contract, outputs = subject.contract, measured.outputs[subject.published]
    answer = partial(_answer, subject)
    if "several_labels" in figures:
        rows = answer_rows(outputs, contract, of=subject.name)
        return several_labels_sense(contract, rows, figures["several_labels"], split)
    if "classification" in figures:
        rows = answer_rows(outputs, contract, of=subject.name)
        step = measured.answers[subject.published].output_step
        return classifier_sense(contract, rows, figures["classification"], split, answer=answer, output_step=step)
    if isinstance(contract.postprocessing, Regression):
        rows = answer_rows(outputs, contract, of=subject.name)
        return regression_sense(contract, rows, split, answer=answer, forecasts=forecasts)
    return raw_sense(outputs)


def _answer(subject: Subject, part: Prepared, contract: ModelContract, *, is_swapped: bool = False) -> Outputs:
    """Run the float model, whose inputs no calibration has fixed to a range; an imported file where it serves."""
    if is_swapped:
        part = exchanged(part, contract)
    if subject.float_model is not None:
        return subject.float_model.outputs(part, contract)
    with ServingBench(contract, assets=subject.assets) as bench:
        bench.prepare(part.items)
        bench.put(subject.published, subject.files[subject.published])
        return bench.predict(subject.published).outputs
