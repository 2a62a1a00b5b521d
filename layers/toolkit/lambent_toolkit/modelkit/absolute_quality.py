"""Whether a version is any good by itself, whatever its float model is: by its report and the contract's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lambent.contracts.model import ModelContract, QualityLimits
from lambent_toolkit.modelkit.report import Report

_EVALUATE = "run `lambent evaluate` on this folder again, with --data"
_MEND = "mend what the report says of it"


class Verdict(NamedTuple):
    """Whether a version is good enough, what was wanted and seen, and what to do if it is not."""

    is_passed: bool
    expected: str
    got: str
    remedy: str = _MEND


def judge_sense(contract: ModelContract, report: Report | None) -> Verdict:
    """Hold a report to what makes sense of any model, and to the limits that its contract adds."""
    expected = ", ".join(["answers better than guessing and without a fault of their own", *_limits(contract.quality)])
    if report is None:
        return Verdict(False, expected, "no figures: it was never evaluated", _EVALUATE)
    if report.findings is None:
        return Verdict(False, expected, "a report without baselines, of an earlier release", _EVALUATE)
    faults = [f"{each.code}: {each.text.removesuffix('.')}" for each in report.findings]
    faults += _broken(contract.quality, report)
    if faults:
        return Verdict(False, expected, "; ".join(faults))
    if report.unmeasured is not None:
        return Verdict(
            True, expected, f"unmeasured: {report.unmeasured}; that its answers are right is its owner's word alone"
        )
    # A forecast tells more than a constant.
    baselines = sorted(report.baselines, key=lambda each: not each.is_forecast)
    beaten = [f"{each.name} ({each.value:.4g} {each.metric})" for each in baselines if each.is_beaten]
    return Verdict(True, expected, f"better than {beaten[0]}" if beaten else "nothing to hold it against")


def _limits(quality: QualityLimits) -> Iterator[str]:
    if quality.min_accuracy is not None:
        yield f"accuracy of at least {quality.min_accuracy:.2%}"
    if quality.max_rmse is not None:
        yield f"RMSE of at most {quality.max_rmse:g}"


def _broken(quality: QualityLimits, report: Report) -> Iterator[str]:
    """Yield the contract's limits that the test part does not show to be kept; NaN keeps none."""
    if quality.min_accuracy is not None:
        accuracy = report.measured.accuracy
        if accuracy is None:
            yield f"min_accuracy: {report.unmeasured or 'there is no accuracy'}"
        elif not accuracy >= quality.min_accuracy:
            yield f"min_accuracy: accuracy {accuracy:.2%} < {quality.min_accuracy:.2%}"
    if quality.max_rmse is not None:
        rmse = report.measured.rmse
        if rmse is None:
            yield f"max_rmse: {report.unmeasured or 'there is no RMSE'}"
        elif not rmse <= quality.max_rmse:
            yield f"max_rmse: RMSE {rmse:.4g} > {quality.max_rmse:g}"
