"""The gate before publishing: every check is made, and all that fail are told at once.

What cannot be served at all (the contract contradicts the file, the serving interpreter refuses or does not survive
it, its answers are not the golden ones) is refused by every function anyway and cannot be forced. How good a version
is, is its owner's decision: those checks can, and the manifest says by whom and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lambent.contracts.model import RawOutputs, Regression
from lambent.domain.contract_check import check_contract
from lambent.domain.model import GOLDEN_FILE, TFLITE_FILE, digest
from lambent.errors import LambentError
from lambent.services.golden import GoldenVectors, check_declared
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import GateClosed, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.quantization_choice import Rule
from lambent_toolkit.modelkit.serving_check import ServingRun, serve

Serve = Callable[..., ServingRun]
_EVALUATE = "run `lambent evaluate` on this folder again"
_BETTER = "choose another form with `lambent quantize`, or raise the limit in the contract's quality"
_SHOWN = 12  # figures of a digest
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Parameters
    ----------
    name             contract, serving, golden, report or quality
    is_passed
    expected, got    in words
    remedy           what to do if it failed
    is_forceable     whether the version may be published all the same
    """

    name: str
    is_passed: bool
    expected: str
    got: str
    remedy: str
    is_forceable: bool = False


def check_artifact(artifact: Artifact, *, serve: Serve = serve) -> list[Check]:
    """Return the answers to all questions; ``serve`` runs the file in the serving interpreter, in its own process.

    Raises
    ------
    BuildFailed   the layers could not be built
    """
    return [_contract(artifact), *_serving(artifact, serve), _report(artifact), _quality(artifact)]


def open_gate(checks: list[Check], *, is_forced: bool) -> tuple[str, ...]:
    """Return the names of the failed checks that were forced.

    Raises
    ------
    GateClosed   a check failed, and was not forced or cannot be; tells all of them
    """
    failed = [check for check in checks if not check.is_passed]
    stopping = [check for check in failed if not (is_forced and check.is_forceable)]
    if stopping:
        lines = [f"{check.name}: expected {check.expected}, got {check.got}; {check.remedy}." for check in failed]
        way_out = "" if not all(check.is_forceable for check in stopping) else ' To publish anyway: --force --why "…".'
        raise GateClosed(
            f"This version is not published, {len(failed)} of {len(checks)} checks failed.{way_out}\n"
            + "\n".join(lines)
        )
    return tuple(check.name for check in failed)


def _contract(artifact: Artifact) -> Check:
    expected, remedy = "a contract that agrees with itself and its golden vectors", _EVALUATE
    try:
        check_contract(artifact.contract)
        check_declared(GoldenVectors.from_npz(artifact.files[GOLDEN_FILE]), artifact.contract)
    except LambentError as error:
        return Check("contract", False, expected, error.detail, remedy)
    return Check("contract", True, expected, "it does", remedy)


def _serving(artifact: Artifact, serve: Serve) -> list[Check]:
    expected = "a file that the serving interpreter loads, with the contract's tensors"
    remedy = "choose another form with `lambent quantize --variant`"
    try:
        golden = GoldenVectors.from_npz(artifact.files[GOLDEN_FILE])
        run = serve(artifact.files[TFLITE_FILE], artifact.contract, golden.raw, assets=artifact.assets)
    except (ServingRefused, ServingCheckFailed, LambentError) as error:
        return [Check("serving", False, expected, str(error), remedy)]
    return [Check("serving", True, expected, f"loaded in {run.load_ms:.1f} ms", remedy), _golden(artifact, golden, run)]


def _golden(artifact: Artifact, golden: GoldenVectors, run: ServingRun) -> Check:
    tolerance = artifact.contract.golden_tolerance
    expected = f"the golden tensors bit for bit, and outputs within {tolerance:g}"
    if not all(np.array_equal(run.golden.tensors[name], array) for name, array in golden.tensors.items()):
        return Check("golden", False, expected, "other tensors", _EVALUATE)
    # A model.tflite exchanged after it was evaluated shows here: the vectors were recorded from the file measured.
    differences = [
        np.max(np.abs(run.golden.outputs[name].astype(np.float64) - array.astype(np.float64)))
        for name, array in golden.outputs.items()
    ]
    largest = float(np.max(differences))
    return Check("golden", largest <= tolerance, expected, f"outputs within {largest:.3g}", _EVALUATE)


def _report(artifact: Artifact) -> Check:
    report, measured = artifact.report, digest(artifact.files[TFLITE_FILE])
    expected = f"a report on this model.tflite, sha256 {measured[:_SHOWN]}…"
    if report is None:
        return Check("report", False, expected, "none: it was never evaluated", f"{_EVALUATE}, with --data", True)
    got = f"one on sha256 {report.model_sha256[:_SHOWN]}…"
    return Check("report", report.model_sha256 == measured, expected, got, _EVALUATE, True)


def _quality(artifact: Artifact) -> Check:
    limits, report = artifact.contract.quality, artifact.report
    is_regression = isinstance(artifact.contract.postprocessing, Regression)
    rule = Rule("rmse", limits.max_rmse_increase) if is_regression else Rule("accuracy", limits.max_accuracy_drop_pt)
    expected = f"at most {rule.show_limit()} lost against the float model on test data"
    if report is None:
        return Check(
            "quality", False, expected, "no figures: it was never evaluated", f"{_EVALUATE}, with --data", True
        )
    if report.reference is None:
        return Check("quality", True, expected, "no float model to compare with: this file is the model", _EVALUATE)
    if isinstance(artifact.contract.postprocessing, RawOutputs):
        return Check("quality", True, expected, "raw outputs, which have no accuracy", _EVALUATE)
    if report.loss is None:
        return Check("quality", False, expected, "a report without the loss", _EVALUATE, True)
    # Shares of whole items: a drop of exactly the limit must not fail by rounding. NaN fails.
    is_passed = report.loss.value <= rule.limit + _ROUNDING
    return Check("quality", is_passed, expected, rule.show_loss(report.loss), _BETTER, True)
