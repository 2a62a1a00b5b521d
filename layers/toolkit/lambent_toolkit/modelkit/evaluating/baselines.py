"""What a model must beat to know anything: answers that are made without looking at the item.

The commonest class and any one class, the mean and the median are those of the training part. Model and baseline
answer the same test items, so their difference has a paired interval: Tango's for shares of items (see
`quantization_loss.paired_interval`), a paired bootstrap for errors. The nearest training item's answer (Cover and Hart,
IEEE Transactions on Information Theory 13, 1967) looks at the item, and learns nothing: it stands beside, where it is
cheap and distances of the tensors mean something, and is nothing that a model must beat. A model of a series must beat
the forecasts that look at its past alone, see `forecasts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ImagePreprocessing, ModelContract, TabularPreprocessing
from lambent_toolkit.modelkit.evaluating.bootstrap import Floats
from lambent_toolkit.modelkit.evaluating.forecasts import Forecast
from lambent_toolkit.modelkit.evaluating.paired import error_difference, mcnemar
from lambent_toolkit.modelkit.quantization_loss import paired_interval
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.report import BaselineFigures, ClassificationFigures, Estimate

NEAREST = "nearest training item"
# Multiplications of the nearest neighbour's search: about two seconds on one core.
_MOST_PRODUCTS = 2e10
_FEWEST_FOR_ERRORS = 2
# Several constants are to be beaten, and every model that guesses has a try at each: beaten is what an interval of 99 %
# lies above. That of a bootstrap is taken for as much wider as a normal distribution's would be.
SURE = 0.99
# Of forecasts all are to be beaten: there is one try at each.
_SURE_OF_FORECASTS = 0.95
_WIDER = 2.5758 / 1.9600


def classifier_baselines(
    right: NDArray[np.bool_],
    figures: ClassificationFigures,
    *,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    nearest: NDArray[np.int64] | None,
) -> list[BaselineFigures]:
    """Return what a classifier is held against.

    Parameters
    ----------
    right     (items,), which test items it gets right
    figures   of it
    train     (n,), the training part's classes
    test      (items,), the test part's
    nearest   (items,), classes of the nearest training items, None if they were not searched
    """
    commonest = int(np.bincount(train).argmax())
    found = [
        share_baseline(
            f"always {figures.labels[commonest]}, the commonest of the training part", right, test == commonest
        )
    ]
    occurring = len(np.unique(test))
    if occurring > 1:
        found.append(_any_one_class(figures.macro_recall, occurring))
    if nearest is not None:
        found.append(share_baseline(NEAREST, right, nearest == test))
    return found


def share_baseline(name: str, right: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> BaselineFigures:
    """Return a baseline's accuracy, and how much more often a model is right on the same items."""
    only_model, only_baseline = int((right & ~baseline).sum()), int((baseline & ~right).sum())
    low, high = paired_interval(only_model, only_baseline, len(right))
    sure_low, _ = paired_interval(only_model, only_baseline, len(right), confidence=SURE)
    return BaselineFigures(
        name=name,
        metric="accuracy",
        value=float(baseline.mean()),
        better_by=Estimate(value=(only_model - only_baseline) / len(right), low=low, high=high, method="tango"),
        p_value=mcnemar(only_model, only_baseline).p_value,
        is_beaten=sure_low > 0,
        must_be_beaten=name != NEAREST,
    )


def above(found: Estimate, chance: float) -> Estimate:
    """Return by how much a figure lies above what chance reaches, which is known: its interval moves as it is."""
    low, high = found.low, found.high
    return Estimate(
        value=found.value - chance,
        low=None if low is None else low - chance,
        high=None if high is None else high - chance,
        method=found.method,
    )


def _any_one_class(macro_recall: Estimate, classes: int) -> BaselineFigures:
    """Return what any constant answer reaches; where one class is rare, its accuracy alone would be hard to beat."""
    chance, low = 1 / classes, macro_recall.low
    return BaselineFigures(
        name="always one class, whichever",
        metric="macro recall",
        value=chance,
        better_by=above(macro_recall, chance),
        # All recalls being the same in every resample, there is no doubt about their mean.
        is_beaten=macro_recall.value - (0.0 if low is None else _WIDER * (macro_recall.value - low)) > chance,
    )


def regression_baselines(
    values: Floats, targets: Floats, *, train: Floats, nearest: Floats | None, forecasts: Sequence[Forecast] = ()
) -> list[BaselineFigures]:
    """Return what a regression is held against; nothing of fewer than two items.

    Parameters
    ----------
    values, targets   (items,), its answers and the truth
    train             (n,), the training part's targets
    nearest           (items,), targets of the nearest training items, None if they were not searched
    forecasts         what is answered from the past of a series alone
    """
    if len(targets) < _FEWEST_FOR_ERRORS:
        return []
    mean, median = float(train.mean()), float(np.median(train))
    found = [
        _error_baseline(
            f"always {mean:.4g}, the mean of the training part", values, np.full_like(targets, mean), targets
        ),
        _error_baseline(
            f"always {median:.4g}, the median of the training part",
            values,
            np.full_like(targets, median),
            targets,
            is_root=False,
        ),
    ]
    found += [
        msgspec.structs.replace(
            _error_baseline(each.name, values, each.test, targets, is_root=is_root, sure=_SURE_OF_FORECASTS),
            is_forecast=True,
        )
        for each in forecasts
        for is_root in (True, False)
    ]
    return found if nearest is None else [*found, _error_baseline(NEAREST, values, nearest, targets)]


def _error_baseline(
    name: str, values: Floats, baseline: Floats, targets: Floats, *, is_root: bool = True, sure: float = SURE
) -> BaselineFigures:
    power = 2 if is_root else 1
    ours, theirs = (np.abs(each - targets) ** power for each in (values, baseline))
    difference = error_difference(theirs, ours, is_root=is_root)
    error = float(theirs.mean())
    return BaselineFigures(
        name=name,
        metric="rmse" if is_root else "mae",
        value=float(np.sqrt(error)) if is_root else error,
        better_by=Estimate(value=difference.value, low=difference.low, high=difference.high, method="bootstrap"),
        p_value=difference.significance.p_value,
        is_beaten=difference.value > 0 and difference.significance.p_value <= 1 - sure,
        must_be_beaten=name != NEAREST,
    )


def nearest_targets(train: Prepared, test: Prepared, contract: ModelContract) -> NDArray[np.generic] | None:
    """Return the target of each test item's nearest training item, by the Euclidean distance of their tensors.

    None where there is a reason against it, see `why_no_nearest`.
    """
    if why_no_nearest(train, test, contract):
        return None
    from sklearn.metrics import pairwise_distances_argmin

    ours, theirs = (part.tensors[contract.inputs[0].name].reshape(len(part), -1) for part in (test, train))
    found: NDArray[np.generic] = train.targets[
        pairwise_distances_argmin(ours.astype(np.float32), theirs.astype(np.float32))
    ]
    return found


def why_no_nearest(train: Prepared, test: Prepared, contract: ModelContract) -> str | None:
    """Return why the nearest training items are not searched: their distance says nothing, or it would take long."""
    if not isinstance(contract.preprocessing, ImagePreprocessing | TabularPreprocessing):
        return "distances of token ids, and of tensors of any kind, say nothing"
    size = int(np.prod(train.tensors[contract.inputs[0].name].shape[1:]))
    if float(len(test)) * len(train) * size > _MOST_PRODUCTS:
        return f"{len(test)} test items beside {len(train)} training items of {size} numbers would take long"
    return None


def is_guessing(baselines: Sequence[BaselineFigures]) -> bool:
    """Return whether a model is not shown to be better than what it must beat."""
    return unbeaten(baselines) is not None


def unbeaten(baselines: Sequence[BaselineFigures]) -> BaselineFigures | None:
    """Return what a model does not beat and must: one of the constant answers, and every forecast; None if nothing."""
    constants = [each for each in baselines if each.must_be_beaten and not each.is_forecast]
    if constants and not any(each.is_beaten for each in constants):
        return constants[0]
    beaten = {each.name for each in baselines if each.is_forecast and each.is_beaten}
    return next((each for each in baselines if each.is_forecast and each.name not in beaten), None)
