"""What people read of a quantization: tables, sentences and quantization.html."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console

from lambent.contracts.model import Classification
from lambent_toolkit.modelkit.quantization_page import quantization_page
from lambent_toolkit.modelkit.quantization_report import QuantizationReport, VariantRow
from lambent_toolkit.modelkit.quantization_tables import (
    choice_table,
    cost_table,
    hint,
    quality_table,
    sentences,
)
from lambent_toolkit.modelkit.temperature import TemperatureFit, fit_temperature
from lambent_toolkit.reporting.terminal import terminal_table
from quantized import report, row

UNCONVERTED = VariantRow(variant="int16x8", problem="does not convert: no kernel for EXP")
MANY = [
    row("float32"),
    row("float16"),
    row("dynamic", loss=0.2),
    row("int8", loss=3.5),
    UNCONVERTED,
    row("qat", loss=0.4),
    row("mixed", loss=0.9, p50_ms=3.0),
]


def shown(*tables: object) -> str:
    console = Console(width=200, record=True, file=StringIO())
    for table in tables:
        console.print(terminal_table(table))  # type: ignore[arg-type]
    return console.export_text()


def fitted() -> TemperatureFit:
    random = np.random.default_rng(1)
    logits = random.normal(scale=3.0, size=(400, 2))
    probabilities = 1 / (1 + np.exp((logits[:, :1] - logits[:, 1:]) / 2))
    classes = (random.random(400) < probabilities[:, 0]).astype(np.int64)
    return fit_temperature(logits, classes, Classification(labels=("ant", "bee"), activation="softmax"))


def test_a_variant_over_the_limit_is_marked_and_one_without_figures_says_so() -> None:
    text = shown(quality_table(report(*MANY)))

    assert "✗ 3.50" in text
    assert "a class with a rather long name: 14.0 pt of 12" in text
    assert "! no figures" in text


def test_the_chosen_variant_is_in_bold_in_both_tables() -> None:
    told = report(*MANY)

    assert told.choice.variant == "qat"
    assert quality_table(told).highlighted_rows == cost_table(told).highlighted_rows == {6}


def test_a_regression_is_told_in_its_own_figures() -> None:
    told = report(row("float32", metric="rmse"), row("int8", metric="rmse", loss=0.05), metric="rmse")

    text = shown(quality_table(told), choice_table(told))

    assert "✗ +5.00%" in text
    assert "2 % of the RMSE" in text
    assert "agrees" not in text


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (MANY[:5], "--mixed --qat"),
        ([*MANY[:5], row("qat")], "--mixed"),
        (MANY, None),
        ([row("float32"), row("int8", loss=0.9)], None),
        ([row("float32"), row("float16")], None),
    ],
)
def test_only_where_int8_loses_too_much_its_remedies_are_named(rows: list[VariantRow], options: str | None) -> None:
    advice = hint(report(*rows), "models/animals")

    assert (f"`lambent sensitivity models/animals {options}`" in advice) if advice and options else advice is options


def test_sentences_tell_choice_problems_temperature_and_sample() -> None:
    text = "\n".join(sentences(report(*MANY), "models/animals"))

    assert "int16x8: does not convert: no kernel for EXP." in text
    assert "model.tflite is qat, chosen for latency: drop 0.40 pt (95 %: -0.60 to 1.40), limit 1 pt." in text
    assert "Temperature 1.700, fitted on validation data after quantization: ECE 8.00% → 2.00%" in text
    assert "Calibrated on 128 training items: the ranges have converged (tolerance 2%)" in text
    assert "grew by 1.5% and 1.0%" in text


def test_a_sample_whose_ranges_still_grow_is_not_called_converged() -> None:
    figures = report().calibration
    assert figures is not None

    text = "\n".join(sentences(report(calibration=replace(figures, converged=False)), "x"))

    assert "Calibrated on 128 training items: the ranges still grow" in text


def test_without_temperature_or_calibration_it_is_said_why() -> None:
    told = report(temperature=None, temperature_note="The model is no classifier.", calibration=None)

    text = "\n".join(sentences(told, "x"))

    assert "Not scaled by a temperature. The model is no classifier." in text
    assert "No variant needed calibration." in text


@pytest.mark.parametrize(
    "told",
    [report(*MANY), report(*MANY, variant="int8"), report(metric="rmse", temperature=None, temperature_note="none")],
    ids=["many", "named", "regression"],
)
def test_page_has_both_trade_offs_and_every_variant(told: QuantizationReport) -> None:
    page = quantization_page(told, TemperatureFit(note="none"), folder="models/animals")

    for axis in ("latency", "size"):
        best = [each.variant for each in told.variants if each.measured and axis in each.measured.frontiers]
        assert f"Quality against {axis}" in page
        assert f"On the frontier: {', '.join(best)}." in page
    assert all(f">{each.variant}<" in page for each in told.variants)


def test_page_shows_reliability_before_and_after_the_temperature() -> None:
    fit = fitted()
    assert fit.figures is not None

    page = quantization_page(report(temperature=fit.figures), fit, folder="models/animals")

    assert "before and after temperature scaling" in page
    assert "by chance" in page


def test_page_of_a_named_variant_over_the_limit_warns() -> None:
    page = quantization_page(report(*MANY[:5], variant="int8"), TemperatureFit(note="none"), folder="models/animals")

    assert "breaks the limit" in page
    assert "✓ chosen" not in shown(choice_table(report(*MANY[:5], variant="int8")))
    assert "lambent sensitivity models/animals --mixed --qat" in page


def test_what_the_contract_does_not_allow_is_said_though_it_was_asked_for() -> None:
    told = report(*MANY[:5], variant="int8", broken_limits=["drop 3.50 pt > 1 pt"])

    assert any("The contract does not allow that (drop 3.50 pt > 1 pt)" in each for each in sentences(told, "x"))
    assert "The contract does not allow that" in quantization_page(told, TemperatureFit(note="none"), folder="x")


def test_few_items_and_what_nobody_can_measure_are_said() -> None:
    few = report(*MANY, validation_items=23)
    raw = report(
        row("float32", loss=0.0, metric="outputs"), metric="outputs", unmeasured="raw outputs have no accuracy"
    )

    assert any("one of 23 is 4.35 pt, more than the limit of 1 pt" in each for each in sentences(few, "x"))
    assert not any("Too few" in each for each in sentences(report(*MANY), "x"))
    assert any(each.startswith("Unmeasured: raw outputs have no accuracy.") for each in sentences(raw, "x"))
    assert "outputs off by 0.00%" in quantization_page(raw, TemperatureFit(note="none"), folder="x")
    assert "accuracy" not in shown(quality_table(raw))


def test_names_are_escaped() -> None:
    page = quantization_page(report(model="<script>x</script>"), TemperatureFit(note="none"), folder="a<b")

    assert "<script>x" not in page


def test_what_was_changed_for_the_converter_is_told_on_the_page_and_the_terminal() -> None:
    unrolled = "recurrent layers unrolled: memory (6 steps)"
    changed, plain = report(*MANY, changes=[unrolled]), report(*MANY)

    assert f"Made for the converter: {unrolled}." in sentences(changed, "folder")
    assert unrolled in quantization_page(changed, fitted(), folder="folder")
    assert not [line for line in sentences(plain, "folder") if "converter" in line]
