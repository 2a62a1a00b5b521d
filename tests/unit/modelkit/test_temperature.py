"""A temperature that is fitted is the one that the scores were heated by, and changes no answer."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.contracts.model import Classification
from lambent.domain.postprocessing import activate
from lambent_toolkit.modelkit.temperature import FEWEST_ITEMS, fit_temperature

LABELS = ("a", "b", "c", "d")


def spec(activation: str) -> Classification:
    return Classification(labels=LABELS, activation=activation)  # type: ignore[arg-type]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def calibrated(items: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and classes drawn by the very probabilities that the logits promise."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=2.0, size=(items, len(LABELS)))
    classes = (softmax(logits).cumsum(axis=1) < random.random((items, 1))).sum(axis=1)
    return logits, classes


@pytest.mark.parametrize("activation", ["softmax", "none"])
@pytest.mark.parametrize("temperature", [0.5, 2.0, 3.0])
def test_the_temperature_that_the_scores_were_heated_by_is_found(activation: str, temperature: float) -> None:
    logits, classes = calibrated(4000, seed=1)
    hot = logits * temperature
    rows = hot if activation == "softmax" else softmax(hot)

    figures = fit_temperature(rows, classes, spec(activation)).figures

    assert figures is not None
    assert figures.temperature == pytest.approx(temperature, rel=0.06)
    assert figures.ece_after < 0.03 < figures.ece_before
    assert figures.nll_after < figures.nll_before


def test_labels_that_are_each_right_for_themselves_are_scaled_each_for_itself() -> None:
    random = np.random.default_rng(2)
    classes = random.integers(len(LABELS), size=4000)
    truth = np.eye(len(LABELS))[classes]
    # Log odds of one label among four, given a noisy sign of it: calibrated by Bayes' rule.
    noise = random.normal(scale=1.5, size=truth.shape)
    signs = truth * 2 - 1 + noise
    logits = 2 * signs / 1.5**2 - np.log(3)

    figures = fit_temperature(logits * 2.5, classes, spec("sigmoid")).figures

    assert figures is not None
    assert figures.temperature == pytest.approx(2.5, rel=0.1)


def test_probabilities_rounded_to_zero_do_not_outweigh_all_others() -> None:
    logits, classes = calibrated(5000, seed=3)
    exact, step = softmax(logits * 2), 1 / 256
    rounded = np.round(exact / step) * step
    assert (rounded[np.arange(5000), classes] == 0).sum() > 20

    figures = fit_temperature(rounded, classes, spec("none"), output_step=step).figures

    assert figures is not None
    assert 1.5 < figures.temperature < 2.5


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["softmax", "sigmoid", "none"]))
def test_no_temperature_changes_the_best_class(seed: int, activation: str) -> None:
    logits, classes = calibrated(FEWEST_ITEMS, seed=seed)
    rows = softmax(logits) if activation == "none" else logits

    figures = fit_temperature(rows, classes, spec(activation)).figures

    temperature = figures.temperature if figures else 1.0
    cooled = activate(rows, Classification(labels=LABELS, activation=activation, temperature=temperature))  # type: ignore[arg-type]
    assert np.array_equal(cooled.argmax(axis=1), rows.argmax(axis=1))


@pytest.mark.parametrize(
    ("rows", "classes", "said"),
    [
        (np.eye(4)[[0, 1] * 40], np.array([0, 1] * 40), "has 80 items.*fewer than 100"),
        (np.full((200, 4), -0.5), np.zeros(200, np.int64), "no probabilities"),
        (np.tile([0.7, 0.1, 0.1, 0.1], (200, 1)), np.zeros(200, np.int64), "too few mistakes"),
        (np.full((200, 4), 0.25), np.arange(200) % 4, "No temperature but 1 makes the scores any likelier"),
    ],
)
def test_where_there_is_nothing_to_fit_it_says_why(rows: np.ndarray, classes: np.ndarray, said: str) -> None:
    fit = fit_temperature(rows, classes, spec("none"))

    assert fit.figures is None
    assert fit.note is not None
    assert re.search(said, fit.note)
