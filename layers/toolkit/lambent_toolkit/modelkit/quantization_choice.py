"""Which variant Lambda serves: the best for a target among those that lose little enough.

1. A variant is out if it could not be made, loaded or measured, if its loss is over the limit, or if its answers lie
   further from the float model's than the contract allows (see `lane_distance`): the very rule of the gate, which uses
   `Rule.broken` too.
2. Of the rest, the target decides: the smallest file, or the lowest p50 with one thread.
3. Differences that mean nothing are ties: sizes within 5 %, latencies within 5 % or whose rounds overlap (see
   `Latency`). Of tied variants the first of the order of preference is taken: int8, int16x8, dynamic, float16, float32.
   What `lambent sensitivity` made of int8 (qat, mixed) comes next to it.

**What the limit is held against.** By default the loss itself ("estimate"), because its interval is as wide as the
validation part is small: with 200 items and not one changed answer it reaches 1.9 points, so that its upper end
("bound") would refuse everything and measure the data, not the model. The interval stands beside each loss, and a
choice whose interval crosses the limit says so. With basis "bound" a variant has to prove itself, as in a
non-inferiority trial; `items_to_prove` says how many items that takes at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from msgspec.structs import replace

from lambent.contracts.model import ModelContract
from lambent_toolkit.modelkit.errors import NoVariantHolds
from lambent_toolkit.modelkit.lane_distance import NO_LIMITS, Distance, LaneLimits
from lambent_toolkit.modelkit.quantization_limit import limit_of
from lambent_toolkit.modelkit.quantization_report import (
    Basis,
    Choice,
    ChoiceStep,
    Loss,
    Metric,
    Target,
    VariantMeasurement,
    VariantRow,
)
from lambent_toolkit.modelkit.variants import REMEDIES

PREFERENCE = ("int8", "int16x8", "dynamic", "float16", "float32")
_ORDER = (PREFERENCE[0], *REMEDIES, *PREFERENCE[1:])
TARGETS: tuple[Target, ...] = ("latency", "size")
TIE_SHARE = 0.05
_Z_SQUARED = 3.841458820694124  # of the two-sided 95 % interval
# Shares of whole items: a drop of exactly the limit must not fail by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Rule:
    """What a variant has to hold, and what decides among those that do.

    Parameters
    ----------
    metric   of the model
    limit    the most that may be lost: percentage points of accuracy, or share of the RMSE or of the outputs
    target   what to make small
    basis    whether the loss or the upper end of its interval is held to the limit
    lanes    how far the answers may lie from the float model's
    """

    metric: Metric
    limit: float
    target: Target = "latency"
    basis: Basis = "estimate"
    lanes: LaneLimits = NO_LIMITS

    def holds(self, loss: Loss) -> bool:
        """Return whether a loss is within the limit; NaN is not."""
        return (loss.value if self.basis == "estimate" else loss.high) <= self.limit + _ROUNDING

    def broken(self, loss: Loss, distance: Distance) -> list[str]:
        """Return each limit that a file breaks, in words with both numbers; none where it may be served."""
        return [*([] if self.holds(loss) else [self._over_limit(loss)]), *self.lanes.broken(distance)]

    def show_limit(self) -> str:
        """Return the limit in words: ``0.5 pt``, ``2 % of the RMSE`` or ``10 % of the outputs``."""
        if self.metric == "accuracy":
            return f"{self.limit:g} pt"
        return f"{self.limit * 100:g} % of the {'RMSE' if self.metric == 'rmse' else 'outputs'}"

    def show_loss(self, loss: Loss) -> str:
        """Return a loss with its interval in words: ``drop 1.40 pt (95 %: -0.20 to 3.10)``."""
        if self.metric == "accuracy":
            return f"drop {loss.value:.2f} pt (95 %: {loss.low:.2f} to {loss.high:.2f})"
        if self.metric == "outputs":
            return f"outputs off by {loss.value:.2%} (95 %: {loss.low:.2%} to {loss.high:.2%})"
        return f"RMSE {loss.value:+.1%} (95 %: {loss.low:+.1%} to {loss.high:+.1%})"

    def show_cost(self, measured: VariantMeasurement) -> str:
        """Return what the target makes small, with its unit."""
        if self.target == "size":
            return f"{measured.size_bytes / 1000:.1f} kB"
        return f"{measured.latency(1).p50_ms:.3g} ms"

    def is_tied(self, measured: VariantMeasurement, best: VariantMeasurement) -> bool:
        """Return whether a variant costs no more than the best one, as far as that can be told."""
        if cost(measured, self.target) <= cost(best, self.target) * (1 + TIE_SHARE):
            return True
        return self.target == "latency" and measured.latency(1).low_ms <= best.latency(1).high_ms

    def _over_limit(self, loss: Loss) -> str:
        which = "upper end of " if self.basis == "bound" else ""
        return f"{which}{self.show_loss(loss)} > {self.show_limit()}"


def contract_rule(contract: ModelContract, metric: Metric) -> Rule:
    """Return the rule that a contract holds its version to, which is the gate's."""
    return Rule(metric, limit_of(contract, metric), lanes=LaneLimits.of(contract.quality))


def choose(rows: Sequence[VariantRow], rule: Rule) -> Choice:
    """Choose a variant; the steps of the answer say why each was taken or not, in the order of preference.

    Raises
    ------
    NoVariantHolds   none holds the limit, not even float32
    """
    ordered = sorted(rows, key=_preference)
    holding = {row.variant: row.measured for row in ordered if row.measured and not _broken(row.measured, rule)}
    if not holding:
        raise NoVariantHolds(_nothing_holds(ordered, rule))
    best = min(holding, key=lambda name: cost(holding[name], rule.target))
    chosen = next(name for name, measured in holding.items() if rule.is_tied(measured, holding[best]))
    steps = [
        ChoiceStep(variant=chosen, outcome="chosen", reason=_why_chosen(chosen, best, holding, rule))
        if row.variant == chosen
        else _why_not(row, chosen, holding[chosen], rule)
        for row in ordered
    ]
    return _choice(chosen, rule, steps)


def fixed_choice(rows: Sequence[VariantRow], variant: str, rule: Rule) -> Choice:
    """Return the choice of a variant that a person or the recipe named, and say what would have been chosen without.

    Raises
    ------
    NoVariantHolds   it has no figures
    """
    row = next(row for row in rows if row.variant == variant)
    if row.measured is None:
        raise NoVariantHolds(f"{variant} was asked for, but {row.problem}. Name another --variant.")
    broken = _broken(row.measured, rule)
    reason = f"named, although it breaks the limit: {'; '.join(broken)}" if broken else "named"
    step = ChoiceStep(variant=variant, outcome="chosen", reason=f"{reason}; {_by_itself(rows, variant, rule)}")
    return _choice(variant, rule, [step], mode_is_fixed=True, holds_limit=not broken)


def _by_itself(rows: Sequence[VariantRow], variant: str, rule: Rule) -> str:
    try:
        choice = choose(rows, rule)
    except NoVariantHolds:
        return "by the figures, none would be: no variant holds the limit"
    if choice.variant == variant:
        return "by the figures, it would be the same"
    why = next(step.reason for step in choice.steps if step.outcome == "chosen")
    return f"by the figures, it would be {choice.variant}: {why}"


def frontier(rows: Sequence[VariantRow], target: Target) -> set[str]:
    """Return the variants on the Pareto frontier of loss and cost: no other is as good in both and better in one."""
    points = {row.variant: (cost(row.measured, target), row.measured.loss.value) for row in rows if row.measured}
    return {
        name
        for name, point in points.items()
        if not any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in points.values())
    }


def with_frontiers(rows: Sequence[VariantRow]) -> list[VariantRow]:
    """Return the rows, each with the targets on whose frontier it lies."""
    found = {target: frontier(rows, target) for target in TARGETS}
    return [
        replace(row, measured=replace(row.measured, frontiers=[t for t in TARGETS if row.variant in found[t]]))
        if row.measured
        else row
        for row in rows
    ]


def cost(measured: VariantMeasurement, target: Target) -> float:
    """Return what the target makes small: bytes, or the p50 of one thread in milliseconds."""
    return float(measured.size_bytes) if target == "size" else measured.latency(1).p50_ms


def items_to_prove(limit_pt: float) -> int:
    """Return how many items it takes to prove a drop of accuracy under ``limit_pt`` where no answer changes at all."""
    return ceil(_Z_SQUARED * (100.0 / limit_pt - 1.0))


def _preference(row: VariantRow) -> int:
    return _ORDER.index(row.variant)


def _why_chosen(chosen: str, best: str, holding: dict[str, VariantMeasurement], rule: Rule) -> str:
    loss, shown = holding[chosen].loss, rule.show_cost(holding[chosen])
    reason = f"{rule.show_loss(loss)} ≤ {rule.show_limit()}, and the best {rule.target} of those that hold it ({shown})"
    if chosen != best:
        reason = (
            f"{rule.show_loss(loss)} ≤ {rule.show_limit()}, and its {rule.target} ({shown}) ties with the best, "
            f"{best}'s {rule.show_cost(holding[best])}"
        )
    if rule.basis == "estimate" and loss.high > rule.limit:
        reason += "; the interval crosses the limit, so more validation items could tell otherwise"
    return reason


def _why_not(row: VariantRow, chosen: str, best: VariantMeasurement, rule: Rule) -> ChoiceStep:
    if row.measured is None:
        return ChoiceStep(variant=row.variant, outcome="not_measured", reason=row.problem or "not measured")
    if broken := _broken(row.measured, rule):
        return ChoiceStep(variant=row.variant, outcome="over_limit", reason="; ".join(broken))
    relation = "ties with" if rule.is_tied(row.measured, best) else "is behind"
    order = ", which is preferred" if relation == "ties with" else ""
    return ChoiceStep(
        variant=row.variant,
        outcome="beaten",
        reason=f"holds the limit, but its {rule.target} ({rule.show_cost(row.measured)}) {relation} {chosen}'s "
        f"({rule.show_cost(best)}){order}",
    )


def _broken(measured: VariantMeasurement, rule: Rule) -> list[str]:
    return rule.broken(measured.loss, measured)


def _nothing_holds(rows: Sequence[VariantRow], rule: Rule) -> str:
    reasons = (
        f"{row.variant}: {'; '.join(_broken(row.measured, rule)) if row.measured else row.problem}" for row in rows
    )
    remedy = "Raise --max-drop or the limits in the contract's quality, or name a --variant."
    if rule.basis == "bound" and rule.metric == "accuracy" and rule.limit > 0:
        remedy = f"A proof takes {items_to_prove(rule.limit)} validation items at least. {remedy}"
    near = " and answers as near to the float model as the contract wants" if rule.lanes != NO_LIMITS else ""
    return f"No variant loses at most {rule.show_limit()}{near}. {'; '.join(reasons)}. {remedy}"


def _choice(
    variant: str, rule: Rule, steps: list[ChoiceStep], *, mode_is_fixed: bool = False, holds_limit: bool = True
) -> Choice:
    return Choice(
        variant=variant,
        mode="fixed" if mode_is_fixed else "auto",
        target=rule.target,
        limit=rule.limit,
        basis=rule.basis,
        holds_limit=holds_limit,
        steps=steps,
        min_agreement=rule.lanes.min_agreement,
        max_score_difference=rule.lanes.max_score_difference,
        max_output_error=rule.lanes.max_output_error,
    )
