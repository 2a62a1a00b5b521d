"""Parts of the data that a model is worse on than on the rest.

Each value of each slice's column is one slice. Whether it is worse than all other items is tested one-sided: Fisher's
exact test on right and wrong answers for a classifier, Mann and Whitney's U on absolute errors for a regression. Many
slices find a difference by chance, so the p-values are corrected for their number by Benjamini and Yekutieli's
procedure (Annals of Statistics 29, 2001), which holds for slices that overlap: of those flagged, at most 5 % are
expected to be no worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent_toolkit.modelkit.evaluating.bootstrap import Floats, estimate, mean_of, resample, share
from lambent_toolkit.modelkit.report import Estimate, SliceFigures

LEVEL = 0.05
# Fewer items than that cannot tell anything; they are shown and not tested, which spares the others the correction.
FEWEST_TESTED = 5
MOST_VALUES = 20
OTHERS = "(all other values)"


@dataclass(frozen=True)
class _Slice:
    column: str
    value: str
    inside: NDArray[np.bool_]


def classifier_slices(right: NDArray[np.bool_], slices: Mapping[str, Sequence[str]]) -> list[SliceFigures]:
    """Return the accuracy of every slice.

    Parameters
    ----------
    right    (items,), which are answered rightly
    slices   column → a value an item; of a column with more than 20 values, the rarest ones are one slice
    """
    from scipy.stats import fisher_exact

    found = []
    for each in _slices(slices):
        ours, rest = right[each.inside], right[~each.inside]
        table = [[int(ours.sum()), int((~ours).sum())], [int(rest.sum()), int((~rest).sum())]]
        p_value = float(fisher_exact(table, alternative="less").pvalue) if _is_tested(ours, rest) else None
        samples = resample(len(ours), {"accuracy": mean_of(ours)})["accuracy"]
        metric = share(int(ours.sum()), len(ours), samples)
        if metric:
            found.append(_figures(each, metric, float(rest.mean()) if len(rest) else None, p_value))
    return _corrected(found)


def regression_slices(residuals: Floats, slices: Mapping[str, Sequence[str]]) -> list[SliceFigures]:
    """Return the RMSE of every slice; see `classifier_slices`."""
    from scipy.stats import mannwhitneyu

    found = []
    for each in _slices(slices):
        ours, rest = residuals[each.inside], residuals[~each.inside]
        p_value = None
        if _is_tested(ours, rest):
            p_value = float(mannwhitneyu(np.abs(ours), np.abs(rest), alternative="greater").pvalue)
        squares = resample(len(ours), {"squares": mean_of(ours**2)})["squares"]
        metric = estimate(float(np.sqrt((ours**2).mean())), np.sqrt(squares))
        found.append(_figures(each, metric, float(np.sqrt((rest**2).mean())) if len(rest) else None, p_value))
    return _corrected(found)


def _slices(slices: Mapping[str, Sequence[str]]) -> Iterator[_Slice]:
    for column, values in slices.items():
        kept = {value for value, _ in Counter(values).most_common(MOST_VALUES)}
        named = np.array([value if value in kept else OTHERS for value in values])
        for value in sorted(kept) + ([OTHERS] if len(set(values)) > len(kept) else []):
            yield _Slice(column, value, named == value)


def _is_tested(ours: NDArray[np.generic], rest: NDArray[np.generic]) -> bool:
    return min(len(ours), len(rest)) >= FEWEST_TESTED


def _figures(each: _Slice, metric: Estimate, rest: float | None, p_value: float | None) -> SliceFigures:
    items = int(each.inside.sum())
    return SliceFigures(column=each.column, value=each.value, items=items, metric=metric, rest=rest, p_value=p_value)


def _corrected(found: list[SliceFigures]) -> list[SliceFigures]:
    from scipy.stats import false_discovery_control

    tested = [each.p_value for each in found if each.p_value is not None]
    adjusted = iter(false_discovery_control(tested, method="by") if tested else [])
    finished = []
    for each in found:
        p_value = None if each.p_value is None else float(next(adjusted))
        is_worse = p_value is not None and p_value <= LEVEL
        finished.append(msgspec.structs.replace(each, adjusted_p=p_value, is_worse=is_worse))
    return finished
