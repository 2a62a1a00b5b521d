"""Figures of a classifier, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)

from lambent.contracts.model import Classification
from lambent.domain.postprocessing import classify_rows
from lambent_toolkit.modelkit.evaluating.answers import UNANSWERED, score
from lambent_toolkit.modelkit.evaluating.bootstrap import ones
from lambent_toolkit.modelkit.evaluating.classification import _Counts, classification_figures
from lambent_toolkit.modelkit.evaluating.ranking import areas, top_k, true_ranks, weighted_area
from lambent_toolkit.modelkit.report import ClassificationFigures

LABELS = ("a", "b", "c", "d")
SPEC = Classification(labels=LABELS)


def made_up(items: int = 400, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of a fair classifier, and the true classes."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, len(LABELS), items)
    logits = random.normal(size=(items, len(LABELS)))
    logits[np.arange(items), classes] += 1.5
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), classes


def sure_of(answers: list[int], classes: list[int], spec: Classification = SPEC) -> ClassificationFigures:
    rows = np.full((len(answers), len(spec.labels)), 0.02)
    rows[np.arange(len(answers)), answers] = 1 - 0.02 * (len(spec.labels) - 1)
    return classification_figures(rows, np.array(classes), spec)


@pytest.fixture(scope="module")
def figures() -> ClassificationFigures:
    return classification_figures(*made_up(), SPEC)


def test_figures_are_those_of_scikit_learn(figures: ClassificationFigures) -> None:
    scores, classes = made_up()
    answers = scores.argmax(axis=1)

    assert figures.accuracy.value == accuracy_score(classes, answers)
    assert figures.macro_f1.value == pytest.approx(f1_score(classes, answers, average="macro"))
    assert figures.weighted_f1.value == pytest.approx(f1_score(classes, answers, average="weighted"))
    assert figures.macro_precision.value == pytest.approx(precision_score(classes, answers, average="macro"))
    assert figures.macro_recall.value == pytest.approx(recall_score(classes, answers, average="macro"))
    assert figures.auc.value == pytest.approx(roc_auc_score(classes, scores, multi_class="ovr", average="macro"))
    assert figures.reliability[0].log_loss.value == pytest.approx(log_loss(classes, scores))
    assert [each.precision.value for each in figures.classes] == pytest.approx(
        precision_score(classes, answers, average=None)
    )
    assert [each.recall.value for each in figures.classes] == pytest.approx(
        recall_score(classes, answers, average=None)
    )
    assert [each.f1.value for each in figures.classes] == pytest.approx(f1_score(classes, answers, average=None))


def test_every_figure_lies_within_its_interval(figures: ClassificationFigures) -> None:
    estimates = [figures.accuracy, figures.macro_f1, figures.weighted_f1, figures.auc, figures.top_k[0].accuracy]
    estimates += [each for row in figures.classes for each in (row.precision, row.recall, row.f1, row.auc)]

    assert all(each.low < each.value < each.high for each in estimates)
    assert all(each.high - each.low < 0.25 for each in estimates)


def test_what_is_resampled_is_what_scikit_learn_gives_for_the_items_themselves(figures: ClassificationFigures) -> None:
    scores, classes = made_up()

    row = _Counts(scores.argmax(axis=1), classes, SPEC)(ones(len(classes)))[0]

    by_class = [(each.precision.value, each.recall.value, each.f1.value) for each in figures.classes]
    means = (figures.macro_precision, figures.macro_recall, figures.macro_f1, figures.weighted_f1)
    assert pytest.approx(np.array(by_class)) == row[:12].reshape(3, 4).T
    assert row[12:] == pytest.approx([each.value for each in means])


def test_answers_are_those_that_serving_gives() -> None:
    rows, _ = made_up(50)
    spec = Classification(labels=LABELS, threshold=0.6)

    scored = score(rows, spec)

    served = [each.label for each in classify_rows(rows, spec, top_k=1)]
    assert [None if each == UNANSWERED else LABELS[each] for each in scored.answers] == served
    assert None in served


def test_an_item_that_no_label_reaches_the_threshold_for_counts_as_wrong() -> None:
    rows = np.array([[0.9, 0.1], [0.45, 0.55], [0.2, 0.8]])

    found = classification_figures(rows, np.array([0, 1, 1]), Classification(labels=("no", "yes"), threshold=0.6))

    assert found.accuracy.value == pytest.approx(2 / 3)
    assert found.answered == pytest.approx(2 / 3)
    assert found.classes[1].answered == 1
    assert [(each.item, each.answer) for each in found.mistakes] == [(1, None)]


def test_a_class_that_no_test_item_has_is_not_defined_rather_than_zero() -> None:
    found = sure_of([0, 1, 1], [0, 1, 0])

    assert found.classes[2].recall is None
    assert found.classes[2].precision is None
    assert found.classes[2].f1 is None
    assert found.classes[2].auc is None
    assert found.classes[2].items == 0
    assert found.macro_recall.value == pytest.approx((0.5 + 1.0) / 2)


def test_a_class_that_is_answered_without_occurring_has_precision_zero_and_no_recall() -> None:
    found = sure_of([0, 2], [0, 1])

    assert found.classes[2].precision.value == 0
    assert found.classes[2].recall is None


def test_mean_precision_of_many_rarely_answered_classes_lies_within_its_interval() -> None:
    spec = Classification(labels=tuple(map(str, range(50))))
    answers = [*range(50)] * 2 + [0, 1]

    found = sure_of(answers, [*range(50)] * 2 + [1, 0], spec)

    assert found.macro_precision.low <= found.macro_precision.value <= found.macro_precision.high
    assert found.macro_precision.low > 0.95


def test_items_of_one_class_only_have_no_auc() -> None:
    found = sure_of([0, 0, 1], [0, 0, 0])

    assert found.auc is None
    assert found.accuracy.value == pytest.approx(2 / 3)


def test_a_perfect_model_is_not_taken_for_certain() -> None:
    found = sure_of([0, 1, 2, 3] * 5, [0, 1, 2, 3] * 5)

    assert found.accuracy.value == 1
    assert found.accuracy.method == "wilson"
    assert 0.8 < found.accuracy.low < 0.9
    assert found.macro_f1.low is None
    assert found.mistakes == []


def test_one_item_and_two_items_are_measured() -> None:
    assert sure_of([0], [0]).accuracy.value == 1
    assert sure_of([0], [1]).accuracy.value == 0
    assert sure_of([0, 1], [0, 0]).accuracy.value == 0.5


def test_confusion_has_true_classes_in_rows() -> None:
    assert sure_of([0, 1, 1], [0, 1, 2]).confusion == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_worst_mistakes_come_first_and_right_answers_never() -> None:
    rows = np.array([[0.6, 0.4], [0.99, 0.01], [0.2, 0.8], [0.55, 0.45]])

    found = classification_figures(rows, np.array([1, 1, 1, 1]), Classification(labels=("no", "yes")))

    assert [(each.item, each.score, each.true_score) for each in found.mistakes] == [
        (1, 0.99, 0.01),
        (0, 0.6, 0.4),
        (3, 0.55, 0.45),
    ]


def test_top_k_is_scikit_learns_where_scores_do_not_tie() -> None:
    scores, classes = made_up()

    assert {each.k: each.accuracy.value for each in top_k(scores, classes)} == pytest.approx(
        {2: top_k_accuracy_score(classes, scores, k=2)}
    )


def test_of_equal_scores_the_first_label_is_the_answer_as_in_serving() -> None:
    scores = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2]])

    assert true_ranks(scores, np.array([0, 1])).tolist() == [0, 1]


@pytest.mark.parametrize("digits", [1, 6])
def test_weighted_area_counts_ties_half_as_scikit_learn_does(digits: int) -> None:
    scores, classes = made_up()
    column = scores[:, 0].round(digits)

    area = weighted_area(column, classes == 0)(ones(len(classes)))

    assert area == pytest.approx([roc_auc_score(classes == 0, column)])


def test_a_resample_of_one_class_only_has_no_area() -> None:
    assert np.isnan(weighted_area(np.array([0.1, 0.9]), np.array([False, True]))(np.array([[0.0, 2.0]]))).all()


def test_areas_of_more_numbers_than_can_be_resampled_come_without_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambent_toolkit.modelkit.evaluating.bootstrap._BUDGET", 1.0)

    mean, each = areas(*made_up())

    assert mean.low is None
    assert all(area.low is None for area in each)
