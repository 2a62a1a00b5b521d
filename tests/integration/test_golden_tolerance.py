"""How far outputs may lie from the golden vectors, of files of every kind."""

from pathlib import Path

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent_toolkit.modelkit.golden_tolerance import golden_tolerance, logit_steps, score_shift

pytestmark = [FOREIGN_WARNINGS]
STEP = 1 / 256


def test_a_sure_score_moves_less_than_a_doubtful_one() -> None:
    doubtful, sure, certain = score_shift(np.array([0.5, 0.99, 1.0]), 0.2, is_softmax=True)

    # Of two labels, one logit 0.2 up and the other 0.2 down: 1 / (1 + exp(-0.4)).
    assert doubtful == pytest.approx(1 / (1 + np.exp(-0.4)) - 0.5)
    assert 0 < sure < 0.005
    assert certain == 0
    assert score_shift(np.array([0.5]), 0.2, is_softmax=False) == pytest.approx(1 / (1 + np.exp(-0.2)) - 0.5)


def test_int8_scores_may_be_a_step_of_the_logits_apart(trained_folder: Path) -> None:
    file = (trained_folder / "variants" / "int8.tflite").read_bytes()
    ((is_softmax, step),) = logit_steps(file)

    sure = golden_tolerance(file, {"scores": np.array([[1.0, 0.0]])}, output_step=STEP, variant="int8")
    doubtful = golden_tolerance(file, {"scores": np.array([[0.5, 0.5]])}, output_step=STEP, variant="int8")

    assert is_softmax
    assert 0.01 < step < 1
    assert sure == pytest.approx(1.5 * STEP)
    assert doubtful == pytest.approx(1.5 * STEP + 1 / (1 + np.exp(-2 * step)) - 0.5)


def test_float_outputs_may_differ_by_a_small_share(trained_folder: Path) -> None:
    file = (trained_folder / "variants" / "float32.tflite").read_bytes()
    outputs = {"scores": np.array([[0.25, 0.75]])}

    assert list(logit_steps(file)) == []
    assert golden_tolerance(file, outputs, output_step=0, variant="float32") == pytest.approx(0.00075)
    assert golden_tolerance(file, outputs, output_step=0, variant="dynamic") == pytest.approx(0.0075)
