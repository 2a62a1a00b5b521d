"""What a file loses against the float model, in the figure that fits the kind of answer.

One module for all who ask: `lambent quantize`, which chooses by it, `lambent sensitivity`, `lambent evaluate` and,
through its report, the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification, ModelContract, RawOutputs, Regression
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.evaluating.answers import answer_rows, numbers, score
from lambent_toolkit.modelkit.evaluating.each_label import UNMEASURED, is_each_label_for_itself
from lambent_toolkit.modelkit.quantization_loss import accuracy_loss, output_loss, rmse_loss
from lambent_toolkit.modelkit.quantization_report import Loss, Metric
from lambent_toolkit.modelkit.recipe import Targets

Outputs = Mapping[str, Array]
_RAW = "raw outputs have no accuracy: nothing in the contract says what in them would be right"


def has_several_labels(targets: Targets) -> bool:
    """Return whether each item's labels are all known: targets (items, labels), 0 and 1."""
    return targets.ndim > 1


def why_unmeasured(contract: ModelContract, outputs: Outputs, targets: Targets) -> str | None:
    """Return why data cannot tell whether a model's answers are right; None where it can.

    Parameters
    ----------
    outputs   by name, (items, …)
    targets   of the data: one an item, (items,), or all labels of an item, (items, labels)
    """
    spec = contract.postprocessing
    if isinstance(spec, RawOutputs):
        return _RAW
    if has_several_labels(targets):
        return None
    if isinstance(spec, Classification):
        rows = answer_rows(outputs, contract, of=contract.name)
        return UNMEASURED if is_each_label_for_itself(score(rows, spec).scores, spec) else None
    return None


def metric_of(contract: ModelContract, outputs: Outputs, targets: Targets) -> Metric:
    """Return the figure that a loss is in, by the float model's outputs; see `why_unmeasured`."""
    if has_several_labels(targets) or why_unmeasured(contract, outputs, targets) is not None:
        return "outputs"
    return "accuracy" if isinstance(contract.postprocessing, Classification) else "rmse"


def loss_of(
    metric: Metric, contract: ModelContract, outputs: Outputs, reference: Outputs, targets: NDArray[Any]
) -> Loss:
    """Return what is lost against the float model on the same items.

    Parameters
    ----------
    metric                that of the contract and the reference, see `metric_of`
    outputs, reference    by name, (items, …); the reference is the float model's
    targets               (items,); not looked at by the metric "outputs"
    """
    spec = contract.postprocessing
    if metric == "outputs" or isinstance(spec, RawOutputs):
        return output_loss(*_compared(contract, outputs, reference))
    ours, theirs = (answer_rows(each, contract, of=contract.name) for each in (outputs, reference))
    if isinstance(spec, Regression):
        return rmse_loss(numbers(ours, spec), numbers(theirs, spec), targets.astype(np.float64))
    classes = targets.astype(np.int64)
    return accuracy_loss(score(ours, spec).right(classes), score(theirs, spec).right(classes))


def _compared(contract: ModelContract, outputs: Outputs, reference: Outputs) -> tuple[list[Array], list[Array]]:
    """Return what of both is compared: raw outputs all of them, of a classifier the scores that callers get."""
    spec = contract.postprocessing
    if not isinstance(spec, Classification):
        return [outputs[name] for name in reference], list(reference.values())
    ours, theirs = (score(answer_rows(each, contract, of=contract.name), spec).scores for each in (outputs, reference))
    return [ours], [theirs]
