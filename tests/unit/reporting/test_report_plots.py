"""Plots are the same for the same data, keep their text inside, and say what they show in both colour schemes."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from lambent_toolkit.reporting.drawing import DARK, LIGHT, draw, shortened
from lambent_toolkit.reporting.page import Figure
from lambent_toolkit.reporting.plots import Interval, bar_chart, histogram, interval_plot, line_chart, scatter_plot
from lambent_toolkit.reporting.plots_classes import ReliabilityCurve, confusion_matrix, reliability_diagram
from lambent_toolkit.reporting.plots_tradeoff import Choice, pareto_frontier, pareto_plot

_TEXTS = {"alt": "what it shows", "caption": "Caption"}


def _texts(figure: Figure) -> list[str]:
    """Return the texts drawn; the SVG writer leaves each as a comment above its outlines."""
    return re.findall(r"<!-- (.+?) -->", figure.light.decode())


def test_same_data_gives_the_same_bytes() -> None:
    first, second = (bar_chart({"a": 3, "b": 5}, axis="items", **_TEXTS) for _ in range(2))

    assert first == second


def test_svg_has_neither_date_nor_address_to_fetch() -> None:
    figure = bar_chart({"a": 3}, axis="items", **_TEXTS)

    for body in (figure.light, figure.dark):
        root = ET.fromstring(body)
        assert "<dc:date>" not in body.decode()
        links = {value for each in root.iter() for name, value in each.attrib.items() if name.endswith("href")}
        assert all(link.startswith("#") for link in links)


def test_both_schemes_have_their_own_ground() -> None:
    figure = bar_chart({"a": 3}, axis="items", **_TEXTS)

    assert LIGHT.ground in figure.light.decode()
    assert DARK.ground in figure.dark.decode()
    assert DARK.ground not in figure.light.decode()


def test_axes_say_what_they_show() -> None:
    assert "items" in _texts(bar_chart({"a": 3}, axis="items", **_TEXTS))
    assert {"epoch", "loss (nats)", "training"} <= set(
        _texts(line_chart({"training": [2.0, 1.0]}, x_axis="epoch", y_axis="loss (nats)", **_TEXTS))
    )
    assert "residual (m)" in _texts(histogram(np.array([0.0, 1, 2]), x_axis="residual (m)", **_TEXTS))
    assert {"answer (m)", "truth (m)"} <= set(
        _texts(scatter_plot(np.arange(3), np.arange(3), x_axis="answer (m)", y_axis="truth (m)", **_TEXTS))
    )


def test_small_confusion_matrix_has_its_counts_and_labels_written() -> None:
    texts = _texts(confusion_matrix(np.array([[40, 7], [0, 39]]), ["cat", "dog"], **_TEXTS))

    assert {"40", "7", "39", "cat", "dog", "true class", "predicted class"} <= set(texts)


def test_large_confusion_matrix_thins_its_labels_out() -> None:
    names = [f"class {number}" for number in range(90)]

    shown = [text for text in _texts(confusion_matrix(np.eye(90, dtype=int), names, **_TEXTS)) if "class " in text]

    assert 40 <= len([text for text in shown if text in names]) <= 2 * 30


def test_class_without_items_does_not_break_the_confusion_matrix() -> None:
    assert confusion_matrix(np.array([[3, 0], [0, 0]]), ["cat", "dog"], **_TEXTS).light


def test_reliability_diagram_takes_two_curves() -> None:
    curve = ReliabilityCurve("before", [0.3, 0.9], [0.2, 0.8], [0.1, 0.7], [0.4, 0.9], [10, 1000])

    texts = _texts(reliability_diagram([curve, ReliabilityCurve("after", *curve_values(curve))], **_TEXTS))

    assert {"before", "after", "perfectly calibrated", "confidence of the answer", "accuracy"} <= set(texts)


def curve_values(curve: ReliabilityCurve) -> tuple:
    return curve.confidence, curve.accuracy, curve.low, curve.high, curve.counts


def test_interval_that_does_not_hold_its_figure_is_drawn() -> None:
    assert interval_plot([Interval("accuracy", 0.9, 0.91, 0.95, "n = 3")], axis="share", **_TEXTS).light


def test_pareto_frontier_leaves_out_what_another_choice_beats() -> None:
    good, dear, bad, twin = Choice("a", 1, 0.9), Choice("b", 2, 0.95), Choice("c", 3, 0.94), Choice("d", 1, 0.8)

    assert pareto_frontier([bad, dear, twin, good]) == [good, dear]


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_names_in_a_pareto_plot_cover_neither_one_another_nor_a_point(spread: float) -> None:
    from lambent_toolkit.reporting import plots_tradeoff

    random = np.random.default_rng(7)
    names = ("float32", "float16", "dynamic range", "int8", "int16x8", "mixed")
    choices = [Choice(name, 100 + 40 * random.random() * spread, 90 + random.random() * spread) for name in names]
    placed: list = []
    place = plots_tradeoff._place
    plots_tradeoff._place = lambda *args: placed.append(place(*args)) or placed[-1]

    try:
        pareto_plot(choices, cost_axis="size (kB)", quality_axis="accuracy (%)", **_TEXTS)
    finally:
        plots_tradeoff._place = place

    boxes = placed[: len(choices)]
    overlaps = [(a, b) for at, a in enumerate(boxes) for b in boxes[at + 1 :] if plots_tradeoff._common_area(a, b) > 1]
    assert not overlaps


def test_text_stays_inside_of_the_picture() -> None:
    long = "a very long name of a class that never ends"
    inside: list[bool] = []

    def paint(canvas, theme) -> None:
        axes = canvas.add_subplot()
        axes.barh([0], [1])
        axes.set_yticks([0], [shortened(long)])
        canvas.draw_without_rendering()
        inside.extend(canvas.bbox.x0 <= label.get_window_extent().x0 for label in axes.get_yticklabels())

    draw(paint, **_TEXTS)

    assert inside == [True, True]


def test_long_label_keeps_both_of_its_ends() -> None:
    assert shortened("short") == "short"
    assert shortened("abcdefghijklmnopqrstuvwxyz", at_most=10) == "abcdef…xyz"
