"""What a classifier answers is told from its numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lambent.contracts.model import Classification
from lambent_toolkit.modelkit.score_kinds import activation_fault, score_kind

LOGITS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 6), st.integers(2, 8)),
    elements=st.floats(-8, 8, allow_subnormal=False),
)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@given(logits=LOGITS, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_a_softmax_is_known_by_its_sums_and_its_logarithm_too(logits: np.ndarray, dtype: type) -> None:
    scores = softmax(logits)

    assert score_kind(scores.astype(dtype)) == "probabilities"
    assert score_kind(np.log(scores)) == "log_probabilities"


@given(logits=LOGITS)
def test_a_softmax_rounded_to_eight_bits_is_one_still(logits: np.ndarray) -> None:
    rounded = np.clip(np.round(softmax(logits) * 256), 0, 255) / 256

    assert score_kind(rounded, output_step=1 / 256) == "probabilities"


@pytest.mark.parametrize("whole", [2.0, 100.0, 255.0])
def test_shares_of_another_whole_than_one_are_neither_scores_nor_logits(whole: float) -> None:
    rows = whole * np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])

    assert score_kind(rows) == "shares"
    for activation in ("softmax", "sigmoid"):
        fault = activation_fault(rows, Classification(labels=("a", "b", "c"), activation=activation))
        assert fault == f"shares that sum to {whole:.4g} in every row, to be divided by it in the model"


@pytest.mark.parametrize(
    "rows",
    [
        [[3.0, 1.0, 2.0]],
        [[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]],
        [[4.0, -1.0, 3.0], [1.0, 6.0, -1.0]],
        [[5.0, 1.0], [9.0, 3.0]],
    ],
)
def test_logits_are_no_shares(rows: list[list[float]]) -> None:
    assert score_kind(np.array(rows)) == "free"


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([[0.2], [0.9]], "unit"),
        ([[0.2, 0.9], [0.1, 0.3]], "unit"),
        ([[0.2, 0.8], [0.9, 0.3]], "unit"),
        ([[-0.2, 1.2]], "free"),
        ([[3.0], [-4.0]], "free"),
    ],
)
def test_other_numbers_are_told_by_their_range(rows: list[list[float]], kind: str) -> None:
    assert score_kind(np.array(rows)) == kind


@pytest.mark.parametrize(
    ("activation", "rows", "fault"),
    [
        ("softmax", [[0.5, 0.5], [0.1, 0.9]], "sum to one already"),
        ("sigmoid", [[0.5, 0.5], [0.1, 0.9]], "sum to one already"),
        ("sigmoid", [[0.5], [0.1]], "scores of 0 to 1 already"),
        ("softmax", [[0.5, 0.9], [0.1, 0.1]], None),
        ("softmax", [[-3.0, 4.0]], None),
        ("sigmoid", [[-3.0], [4.0]], None),
        ("none", [[0.5, 0.5]], None),
        ("none", [[0.9, 0.9]], None),
        ("none", [[-3.0, 4.0]], "numbers from -3 to 4"),
    ],
)
def test_an_activation_that_the_numbers_contradict_is_a_fault(
    activation: str, rows: list[list[float]], fault: str | None
) -> None:
    found = activation_fault(np.array(rows), Classification(labels=("a", "b"), activation=activation))

    assert found is None if fault is None else fault in str(found)
