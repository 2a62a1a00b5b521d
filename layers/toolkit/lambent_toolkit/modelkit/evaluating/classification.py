"""The figures of a classifier on items whose class is known."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import Classification
from lambent.contracts.tensor import Array
from lambent.domain.postprocessing import per_label
from lambent_toolkit.modelkit.evaluating.answers import UNANSWERED, Scored, score
from lambent_toolkit.modelkit.evaluating.bootstrap import (
    Floats,
    Weights,
    estimate,
    group_sums,
    mean_of,
    resample,
    share,
)
from lambent_toolkit.modelkit.evaluating.calibration import are_probabilities, reliability
from lambent_toolkit.modelkit.evaluating.ranking import areas, top_k
from lambent_toolkit.modelkit.report import (
    ClassFigures,
    ClassificationFigures,
    ClassifierMistake,
    Estimate,
    Reliability,
)

WORST_MISTAKES = 24
_NO_PROBABILITIES = (
    "The scores are no probabilities (below 0, above 1, or not summing to one): calibration is not measured. Declare "
    "the activation that the model leaves to do."
)
_EACH_FOR_ITSELF = (
    "Each label is scored for itself (sigmoid), but each item has one true class: measured is whether the best label "
    "is the true one. Log loss and Brier score are sums over the labels."
)


def classification_figures(rows: Array, classes: NDArray[np.int64], spec: Classification) -> ClassificationFigures:
    """Return everything that is measured of a classifier.

    Parameters
    ----------
    rows      (items, labels), its output, or (items, 1) for two labels; at least one item
    classes   (items,), the true ones, by the contract's labels
    spec      with the temperature that the file is served with
    """
    rows, spec = per_label(rows, spec)
    scored = score(rows, spec)
    right = scored.right(classes)
    samples = resample(len(classes), {"accuracy": mean_of(right), "classes": _Counts(scored.answers, classes, spec)})
    auc, class_aucs = areas(scored.scores, classes)
    each_class, means = _class_figures(scored.answers, classes, spec, samples["classes"], class_aucs)
    curves, reliability_note = _reliabilities(rows, classes, spec)
    return ClassificationFigures(
        labels=list(spec.labels),
        accuracy=_certain(share(int(right.sum()), len(right), samples["accuracy"])),
        threshold=spec.threshold,
        answered=float((scored.answers != UNANSWERED).mean()),
        top_k=top_k(scored.scores, classes),
        **means,
        auc=auc,
        classes=each_class,
        confusion=_confusion(scored.best, classes, len(spec.labels)),
        reliability=curves,
        reliability_note=reliability_note,
        mistakes=_mistakes(scored, classes, spec.labels),
        note=_EACH_FOR_ITSELF if spec.activation == "sigmoid" else None,
    )


class _Counts:
    """Precision, recall and F1 of every class, then their means, as one statistic: (resamples, 3 * classes + 4)."""

    def __init__(self, answers: NDArray[np.int64], classes: NDArray[np.int64], spec: Classification) -> None:
        self._answers, self._classes, self._size = answers, classes, len(spec.labels)

    def __call__(self, weights: Weights) -> Floats:
        hits = group_sums(weights, np.where(self._answers == self._classes, self._classes, UNANSWERED), self._size)
        true = group_sums(weights, self._classes, self._size)
        said = group_sums(weights, self._answers, self._size)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall, f1 = hits / said, hits / true, 2 * hits / (said + true)
        # A class that a resample lacks, or never answers, has no recall or precision there; taken for zero it would
        # pull the mean far below that of the items themselves.
        means = [_mean_of_defined(each) for each in (precision, recall, f1)]
        weighted = (np.nan_to_num(f1) * true).sum(axis=1) / true.sum(axis=1)
        return np.concatenate([precision, recall, f1, np.stack([*means, weighted], axis=1)], axis=1)


def _mean_of_defined(figures: Floats) -> Floats:
    """Return the mean of each row without its NaN, (resamples, classes) → (resamples,)."""
    defined = np.isfinite(figures)
    mean: Floats = np.where(defined, figures, 0).sum(axis=1) / np.maximum(defined.sum(axis=1), 1)
    return mean


def _class_figures(
    answers: NDArray[np.int64],
    classes: NDArray[np.int64],
    spec: Classification,
    samples: Floats,
    aucs: Sequence[Estimate | None],
) -> tuple[list[ClassFigures], dict[str, Estimate]]:
    from sklearn.metrics import precision_recall_fscore_support

    size = len(spec.labels)
    numbers = np.arange(size)
    _, _, f1, _ = precision_recall_fscore_support(classes, answers, labels=numbers, zero_division=np.nan)
    hits = np.bincount(classes[answers == classes], minlength=size)
    true = np.bincount(classes, minlength=size)
    said = np.bincount(answers[answers != UNANSWERED], minlength=size)
    found = [
        ClassFigures(
            label=spec.labels[each],
            items=int(true[each]),
            answered=int(said[each]),
            precision=share(int(hits[each]), int(said[each]), samples[:, each]),
            recall=share(int(hits[each]), int(true[each]), samples[:, size + each]),
            f1=None if np.isnan(f1[each]) else estimate(float(f1[each]), samples[:, 2 * size + each]),
            auc=aucs[int(each)],
        )
        for each in numbers
    ]
    return found, _means(answers, classes, samples[:, 3 * size :])


def _means(answers: NDArray[np.int64], classes: NDArray[np.int64], samples: Floats) -> dict[str, Estimate]:
    from sklearn.metrics import precision_recall_fscore_support

    occurring = np.union1d(classes, answers[answers != UNANSWERED])
    values = [
        *precision_recall_fscore_support(classes, answers, labels=occurring, average="macro", zero_division=np.nan)[:3],
        precision_recall_fscore_support(classes, answers, labels=occurring, average="weighted", zero_division=0)[2],
    ]
    names = ("macro_precision", "macro_recall", "macro_f1", "weighted_f1")
    return {
        name: estimate(float(value), samples[:, column])
        for column, (name, value) in enumerate(zip(names, values, strict=True))
    }


def _reliabilities(
    rows: Array, classes: NDArray[np.int64], spec: Classification
) -> tuple[list[Reliability], str | None]:
    """Return the reliability at temperature 1, and at the contract's; or why there is none."""
    is_one_right = spec.activation != "sigmoid"
    found = []
    for temperature in dict.fromkeys((1.0, spec.temperature)):
        scores = score(rows, msgspec.structs.replace(spec, temperature=temperature, threshold=0.0)).scores
        if not are_probabilities(scores, is_one_right=is_one_right):
            return [], _NO_PROBABILITIES
        found.append(reliability(scores, classes, temperature=temperature, is_one_right=is_one_right))
    return found, None


def _confusion(best: NDArray[np.int64], classes: NDArray[np.int64], size: int) -> list[list[int]]:
    from sklearn.metrics import confusion_matrix

    counts: list[list[int]] = confusion_matrix(classes, best, labels=np.arange(size)).tolist()
    return counts


def _mistakes(scored: Scored, classes: NDArray[np.int64], labels: Sequence[str]) -> list[ClassifierMistake]:
    wrong = np.flatnonzero(~scored.right(classes))
    given = scored.scores[wrong, scored.best[wrong]]
    true = scored.scores[wrong, classes[wrong]]
    order = np.argsort(true - given, kind="stable")[:WORST_MISTAKES]
    return [
        ClassifierMistake(
            item=int(wrong[each]),
            truth=labels[classes[wrong[each]]],
            answer=None if scored.answers[wrong[each]] == UNANSWERED else labels[scored.best[wrong[each]]],
            score=float(given[each]),
            true_score=float(true[each]),
        )
        for each in order
    ]


def _certain(estimated: Estimate | None) -> Estimate:
    if estimated is None:
        raise ValueError("There is no item.")
    return estimated
