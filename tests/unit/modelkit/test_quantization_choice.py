"""Which variant is chosen, with the reason told for each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from builders import contract
from lambent.contracts.model import QualityLimits, RawOutputs, Regression
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import NoVariantHolds, ServingCheckFailed
from lambent_toolkit.modelkit.gate import check_artifact
from lambent_toolkit.modelkit.lane_distance import LaneLimits
from lambent_toolkit.modelkit.quantization_choice import (
    PREFERENCE,
    Rule,
    choose,
    contract_rule,
    fixed_choice,
    frontier,
    items_to_prove,
)
from lambent_toolkit.modelkit.quantization_loss import accuracy_loss, paired_interval, rmse_loss, worst_class
from lambent_toolkit.modelkit.quantization_report import Latency, Loss, VariantMeasurement, VariantRow
from measured import report as evaluated
from measured import variant


def measured(
    variant: str,
    *,
    drop: float = 0.0,
    high: float | None = None,
    kb: float = 100.0,
    p50: float = 1.0,
    noise: float = 0.0,
) -> VariantRow:
    loss = Loss(value=drop, low=drop - 1, high=drop if high is None else high)
    latency = Latency(threads=1, calls=100, p50_ms=p50, p99_ms=2 * p50, low_ms=p50 - noise, high_ms=p50 + noise)
    figures = VariantMeasurement(
        size_bytes=int(kb * 1000),
        load_ms=1.0,
        latencies=[latency],
        loss=loss,
        output_error_max=0.0,
        output_error_mean=0.0,
    )
    return VariantRow(variant=variant, measured=figures)


RULE = Rule(metric="accuracy", limit=0.5)
TYPICAL = [
    measured("float32", kb=400, p50=2.0),
    measured("float16", kb=200, p50=2.0),
    measured("dynamic", kb=110, p50=3.0, drop=0.1),
    measured("int8", kb=105, p50=1.0, drop=1.4),
    VariantRow(variant="int16x8", problem="does not convert: no kernel for EXP"),
]


def test_the_fastest_within_the_limit_is_chosen_and_every_other_has_its_reason() -> None:
    choice = choose([*TYPICAL[:3], measured("int8", p50=0.5), TYPICAL[4]], RULE)

    told = {step.variant: (step.outcome, step.reason) for step in choice.steps}
    assert choice.variant == "int8"
    assert [step.variant for step in choice.steps] == list(PREFERENCE)
    assert told["int16x8"] == ("not_measured", "does not convert: no kernel for EXP")
    assert told["dynamic"][0] == "beaten"
    assert "its latency (3 ms) is behind int8's (0.5 ms)" in told["dynamic"][1]


def test_a_drop_over_the_limit_falls_back_with_both_numbers_told() -> None:
    choice = choose(TYPICAL, RULE)

    assert choice.steps[0].outcome == "over_limit"
    assert choice.steps[0].reason.startswith("drop 1.40 pt (95 %: 0.40 to 1.40) > 0.5 pt")
    # float16 and float32 are equally fast: the order of preference decides.
    assert choice.variant == "float16"
    assert choice.steps[-1].reason.endswith("ties with float16's (2 ms), which is preferred")


def test_the_target_decides_among_those_that_hold_the_limit() -> None:
    by_size = choose(TYPICAL, Rule(metric="accuracy", limit=0.5, target="size"))

    assert by_size.variant == "dynamic"
    assert "(110.0 kB)" in next(step.reason for step in by_size.steps if step.outcome == "chosen")


def test_latencies_whose_rounds_overlap_tie_and_the_preferred_one_is_taken() -> None:
    rows = [measured("float32", p50=1.0, noise=0.1), measured("int8", p50=1.15, noise=0.1)]

    noisy = choose(rows, RULE)
    quiet = choose([measured("float32", p50=1.0), measured("int8", p50=1.15)], RULE)

    assert (noisy.variant, quiet.variant) == ("int8", "float32")
    assert "ties with the best, float32's 1 ms" in noisy.steps[0].reason


def test_the_bound_asks_for_proof_where_the_estimate_trusts() -> None:
    rows = [measured("int8", drop=0.2, high=1.8), measured("float32", p50=2.0, high=0.3)]

    trusting = choose(rows, RULE)
    proving = choose(rows, Rule(metric="accuracy", limit=0.5, basis="bound"))

    assert trusting.variant == "int8"
    assert "the interval crosses the limit" in trusting.steps[0].reason
    assert proving.variant == "float32"
    assert proving.steps[0].reason.startswith("upper end of drop 0.20 pt")


def apart(row: VariantRow, **distance: float) -> VariantRow:
    """Return a variant with answers so far from the float model's."""
    return replace(row, measured=replace(row.measured, **distance))


def test_a_variant_that_answers_otherwise_than_the_float_model_is_out_though_it_loses_nothing() -> None:
    rule = Rule("accuracy", 1.0, lanes=LaneLimits.of(QualityLimits()))
    rows = [
        apart(measured("float32", p50=3.0), agreement=1.0, score_difference=0.0),
        apart(measured("int16x8", p50=2.0), agreement=0.957, score_difference=0.1),
        apart(measured("int8", drop=-4.35), agreement=0.61, score_difference=0.75),
        apart(measured("dynamic"), agreement=0.99, score_difference=0.26),
    ]

    choice = choose(rows, rule)

    told = {step.variant: (step.outcome, step.reason) for step in choice.steps}
    assert choice.variant == "int16x8"
    assert told["int8"][0] == "over_limit"
    assert "agreement with the float model 61.00% < 95.00%; scores up to 0.750 from" in told["int8"][1]
    assert "agreement" not in told["dynamic"][1]
    named = fixed_choice(rows, "int8", rule)
    assert not named.holds_limit
    assert "although it breaks the limit: agreement" in named.steps[0].reason


SHARES = st.sampled_from([0.0, 0.02, 0.0201, 0.1, 0.11, 0.25, 0.26, 0.61, 0.94, 0.95, 0.957, 1.0, float("nan")])


@given(
    metric=st.sampled_from(["accuracy", "rmse", "outputs"]),
    figures=st.lists(st.tuples(SHARES, SHARES, SHARES, SHARES), min_size=1, max_size=5),
)
def test_what_is_chosen_is_never_what_the_gate_refuses_of_the_same_figures(
    metric: str, figures: list[tuple[float, float, float, float]]
) -> None:
    answer = {"accuracy": contract().postprocessing, "rmse": Regression(), "outputs": RawOutputs()}[metric]
    declared = contract(postprocessing=answer)
    rows = [
        apart(measured(name, drop=loss), agreement=agreement, score_difference=difference, output_error=error)
        for name, (loss, agreement, difference, error) in zip(PREFERENCE, figures, strict=False)
    ]

    try:
        chosen = choose(rows, contract_rule(declared, metric)).variant
    except NoVariantHolds:
        return

    found = next(row.measured for row in rows if row.variant == chosen)
    told = evaluated(
        task={"accuracy": "classification", "rmse": "regression", "outputs": "raw"}[metric],
        loss=found.loss,
        variants={
            "keras": variant(),
            "int8": variant(
                agreement=found.agreement, score_difference=found.score_difference, output_error=found.output_error
            ),
        },
    )
    checks = check_artifact(Artifact(declared, told, {"golden.npz": b"not looked at"}), serve=no_serving)
    quality = next(each for each in checks if each.name == "quality")
    assert quality.is_passed, quality.got


def no_serving(*_: object, **__: object) -> object:
    raise ServingCheckFailed("Nothing is served here.")


def test_nothing_within_the_limit_is_told_with_all_reasons() -> None:
    rows = [measured("float32", drop=3.0), *TYPICAL[3:]]

    with pytest.raises(NoVariantHolds, match=r"No variant loses at most 0\.5 pt") as refusal:
        choose(rows, RULE)

    assert "int16x8: does not convert" in str(refusal.value)
    assert "float32: drop 3.00 pt" in str(refusal.value)


def test_a_proof_that_the_data_cannot_give_says_how_many_items_it_takes() -> None:
    rule = Rule(metric="accuracy", limit=0.5, basis="bound")

    with pytest.raises(NoVariantHolds, match="takes 765 validation items"):
        choose([measured("float32", high=1.9)], rule)


@given(limit=st.floats(0.05, 50))
def test_the_items_to_prove_a_limit_are_just_enough(limit: float) -> None:
    items = items_to_prove(limit)

    assert 100 * paired_interval(0, 0, items)[1] <= limit + 1e-6
    assert items == 1 or 100 * paired_interval(0, 0, items - 1)[1] >= limit - 1e-6


def test_a_named_variant_is_taken_and_said_to_break_the_limit() -> None:
    choice = fixed_choice(TYPICAL, "int8", RULE)

    assert (choice.variant, choice.mode, choice.holds_limit) == ("int8", "fixed", False)
    assert "although it breaks the limit: drop 1.40 pt" in choice.steps[0].reason


def test_a_named_variant_without_figures_is_refused_with_its_reason() -> None:
    with pytest.raises(NoVariantHolds, match="int16x8 was asked for, but does not convert"):
        fixed_choice(TYPICAL, "int16x8", RULE)


def test_the_frontier_leaves_out_what_another_beats_in_both() -> None:
    assert frontier(TYPICAL, "size") == {"int8", "dynamic", "float16"}
    assert frontier(TYPICAL, "latency") == {"int8", "float16", "float32"}


def test_the_interval_of_a_paired_difference_is_tangos() -> None:
    # Airway hyper-responsiveness before and after, 21 children: Fagerland, Lydersen, Laake, Statistics in Medicine
    # 33 (2014), table of intervals.
    low, high = paired_interval(1, 7, 21)

    assert (round(low, 3), round(high, 3)) == (-0.517, -0.026)


@given(data=st.data(), items=st.integers(1, 400))
def test_the_interval_holds_its_estimate_and_stays_on_the_scale(data: st.DataObject, items: int) -> None:
    lost = data.draw(st.integers(0, items))
    won = data.draw(st.integers(0, items - lost))

    low, high = paired_interval(lost, won, items)
    mirrored = paired_interval(won, lost, items)

    assert -1 <= low <= (lost - won) / items <= high <= 1
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)


def test_loss_counts_the_items_on_which_the_two_differ() -> None:
    float_right = np.array([1, 1, 1, 1, 0, 0, 1, 1, 1, 1], dtype=bool)
    variant_right = np.array([0, 0, 1, 1, 1, 0, 1, 1, 1, 1], dtype=bool)

    loss = accuracy_loss(variant_right, float_right)

    assert (loss.only_float_right, loss.only_variant_right) == (2, 1)
    assert loss.value == pytest.approx(10.0)
    assert loss.low < 0 < loss.value < loss.high


def test_the_worst_class_is_the_one_that_loses_the_largest_share() -> None:
    classes = np.array([0, 0, 0, 0, 1, 1], dtype=np.int64)
    float_right = np.ones(6, dtype=bool)
    variant_right = np.array([0, 1, 1, 1, 0, 1], dtype=bool)

    worst = worst_class(variant_right, float_right, classes, ("cat", "dog"))

    assert worst is not None
    assert (worst.label, worst.drop_pt, worst.items) == ("dog", 50.0, 2)
    assert worst_class(float_right, float_right, classes, ("cat", "dog")) is None


def test_a_regression_loses_by_its_rmse() -> None:
    targets = np.linspace(0, 1, 50)
    float_values = targets + 0.1
    worse, same = targets + 0.12, float_values

    assert rmse_loss(worse, float_values, targets).value == pytest.approx(0.2)
    assert rmse_loss(same, float_values, targets).value == 0.0
    assert rmse_loss(targets, targets, targets).value == 0.0


def test_limits_and_losses_are_shown_in_the_unit_of_the_metric() -> None:
    loss = Loss(value=0.034, low=-0.01, high=0.08)
    rule = Rule(metric="rmse", limit=0.02)

    assert rule.show_limit() == "2 % of the RMSE"
    assert rule.show_loss(loss) == "RMSE +3.4% (95 %: -1.0% to +8.0%)"
