"""The gate before publishing: every check is made, and all that fail are told at once.

What cannot be served at all (the contract contradicts the file, the serving interpreter refuses or does not survive
it, its answers are not the golden ones, model.keras holds code) is refused by every function anyway and cannot be
forced. How good a version is, is its owner's decision: those checks can, and the manifest says by whom and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from lambent.adapters.keras_archive import check_keras_archive
from lambent.contracts.model import Classification, ModelContract, TensorPreprocessing
from lambent.contracts.tensor import Array
from lambent.domain.contract_check import check_contract
from lambent.domain.lengths import free_dimensions
from lambent.domain.model import CONTRACT_FILE, GOLDEN_FILE, KERAS_FILE, TFLITE_FILE, digest
from lambent.domain.names import check_name
from lambent.errors import LambentError, ModelFormatRefused
from lambent.ports import SignatureVerifier, Signer
from lambent.services.golden import GoldenVectors, check_declared
from lambent_toolkit.modelkit.absolute_quality import judge_sense
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import GateClosed, ServingCheckFailed, ServingRefused
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.importing.shortest_lengths import Found, no_length_answered, tflite_min_shapes
from lambent_toolkit.modelkit.quantization_choice import contract_rule
from lambent_toolkit.modelkit.report import Report, measured_contract_sha256
from lambent_toolkit.modelkit.score_kinds import activation_fault
from lambent_toolkit.modelkit.serving_check import ServingRun, serve

Serve = Callable[..., ServingRun]
FindMinShapes = Callable[[bytes, ModelContract], Found]
_EVALUATE = "run `lambent evaluate` on this folder again"
_BETTER = "choose another form with `lambent quantize`, or raise the limit in the contract's quality"
_SHOWN = 12  # figures of a digest


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Parameters
    ----------
    name             contract, serving, lengths, golden, activation, keras, report, quality, sense or signature
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


def check_artifact(artifact: Artifact, *, serve: Serve = serve, find: FindMinShapes = tflite_min_shapes) -> list[Check]:
    """Return the answers to all questions.

    Parameters
    ----------
    artifact
    serve      runs the file in the serving interpreter, in its own process
    find       looks for the smallest inputs that it answers there

    Raises
    ------
    BuildFailed   the layers could not be built
    """
    return [
        _contract(artifact),
        *_serving(artifact, serve),
        *_lengths(artifact, find),
        *_keras(artifact),
        _report(artifact),
        _quality(artifact),
        Check("sense", *judge_sense(artifact.contract, artifact.report), is_forceable=True),
    ]


def check_signer(signer: Signer | None, verifier: SignatureVerifier) -> Check:
    """Return whether a stack that pins keys would serve what is signed so; a new key may sign before it is pinned."""
    pinned = verifier.key_ids
    expected = f"signed by a key that this stack pins: {', '.join(pinned)}"
    got = f"by the key {signer.key_id}" if signer else "not signed"
    is_passed = signer is not None and signer.key_id in pinned
    return Check("signature", is_passed, expected, got, "name the private half by --sign", is_forceable=True)


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
        check_name(artifact.contract.name, what="model")
        check_contract(artifact.contract)
        check_declared(GoldenVectors.from_npz(artifact.files[GOLDEN_FILE]), artifact.contract)
    except LambentError as error:
        return Check("contract", False, expected, _clause(error.detail), remedy)
    return Check("contract", True, expected, "it does", remedy)


def _clause(sentence: str) -> str:
    return sentence.removesuffix(".")


def _serving(artifact: Artifact, serve: Serve) -> list[Check]:
    expected = "a file that the serving interpreter loads, with the contract's tensors"
    remedy = f"choose another form with `lambent quantize --variant`, or, if a file was exchanged, {_EVALUATE}"
    try:
        golden = GoldenVectors.from_npz(artifact.files[GOLDEN_FILE])
        run = serve(
            artifact.files[TFLITE_FILE],
            artifact.contract,
            golden.raw,
            assets=artifact.assets,
            tensors=_own_tensors(golden, artifact.contract),
        )
    except (ServingRefused, ServingCheckFailed, LambentError) as error:
        return [Check("serving", False, expected, _clause(str(error)), remedy)]
    loaded = Check("serving", True, expected, f"loaded in {run.load_ms:.1f} ms", remedy)
    return [loaded, _golden(artifact, golden, run), *_activation(artifact, golden, run)]


def _lengths(artifact: Artifact, find: FindMinShapes) -> list[Check]:
    """Check that a contract of free lengths says no less than the file answers: a shorter input would end a process."""
    if not free_dimensions(artifact.contract):
        return []
    expected = "the smallest inputs that the file answers, as min_shape of the contract's inputs"
    remedy = "run `lambent import` or `lambent evaluate` again, which find them, or choose another form"
    try:
        found = find(artifact.files[TFLITE_FILE], artifact.contract)
        if found.smallest is None:
            raise no_length_answered(found)
    except (ServingRefused, ServingCheckFailed) as error:
        return [Check("lengths", False, expected, _clause(str(error)), remedy)]
    declared = {spec.name: spec.min_shape for spec in artifact.contract.inputs}
    short = [
        f"{list(declared[name] or ()) or None} of {name}, which is answered from {list(smallest)} on"
        for name, smallest in found.smallest.items()
        if any(have < least for have, least in zip(declared[name] or (0,) * len(smallest), smallest, strict=True))
    ]
    return [Check("lengths", not short, expected, "; ".join(short) or "they are", remedy)]


def _own_tensors(golden: GoldenVectors, contract: ModelContract) -> dict[str, Array] | None:
    """Return what a model that takes tensors is served, for want of raw items; raises ModelContractMismatch."""
    if not isinstance(contract.preprocessing, TensorPreprocessing):
        return None
    check_declared(golden, contract)
    return golden.tensors


def _golden(artifact: Artifact, golden: GoldenVectors, run: ServingRun) -> Check:
    tolerance = artifact.contract.golden_tolerance
    expected = f"the golden tensors bit for bit, and outputs within {tolerance:g}"
    if not all(np.array_equal(run.golden.tensors[name], array) for name, array in golden.tensors.items()):
        return Check("golden", False, expected, "other tensors", _EVALUATE)
    # A model.tflite exchanged after it was evaluated shows here: the vectors were recorded from the file measured.
    if any(run.golden.outputs[name].shape != array.shape for name, array in golden.outputs.items()):
        return Check("golden", False, expected, "outputs of other shapes", _EVALUATE)
    differences = [
        np.max(np.abs(run.golden.outputs[name].astype(np.float64) - array.astype(np.float64)), initial=0.0)
        for name, array in golden.outputs.items()
    ]
    largest = float(np.max(differences))
    return Check("golden", largest <= tolerance, expected, f"outputs within {largest:.3g}", _EVALUATE)


def _activation(artifact: Artifact, golden: GoldenVectors, run: ServingRun) -> list[Check]:
    """Check by a classifier's golden outputs that its contract leaves nothing to do twice, or undone."""
    spec = artifact.contract.postprocessing
    if not isinstance(spec, Classification):
        return []
    name = spec.output or artifact.contract.outputs[0].name
    rows = golden.outputs[name].reshape(len(golden.outputs[name]), -1)
    wanted = "scores of 0 to 1" if spec.activation == "none" else f"numbers that {spec.activation} has yet to score"
    fault = activation_fault(rows, spec, output_step=run.output_step)
    remedy = (
        "set postprocessing.activation in the contract to what the model leaves to do, then import or evaluate again"
    )
    return [Check("activation", fault is None, f"{wanted} as {name}", fault or "such", remedy, is_forceable=True)]


def _keras(artifact: Artifact) -> list[Check]:
    """Check that the Keras lane would parse model.keras at all; its answers are proven where it is first loaded."""
    if KERAS_FILE not in artifact.files:
        return []
    expected, remedy = f"a {KERAS_FILE} of numbers and names only", "run `lambent train` or `lambent import` again"
    with NamedTemporaryFile(suffix=KERAS_FILE) as file:
        file.write(artifact.files[KERAS_FILE])
        file.flush()
        try:
            check_keras_archive(Path(file.name))
        except ModelFormatRefused as error:
            return [Check("keras", False, expected, _clause(error.detail), remedy)]
    return [Check("keras", True, expected, "it is", remedy)]


def _report(artifact: Artifact) -> Check:
    """Check that the report is of these files; of the contract, golden vectors cannot tell, e.g. labels exchanged."""
    report = artifact.report
    if report is None:
        expected = f"a report on this {TFLITE_FILE}"
        return Check("report", False, expected, "none: it was never evaluated", f"{_EVALUATE}, with --data", True)
    measured, present = _measured(report), _present(artifact)
    names = sorted(measured.keys() | present.keys())
    changed = [name for name in names if measured.get(name) != present.get(name)]
    told = changed or names
    expected = f"a report on {_digests(told, present)}"
    return Check("report", not changed, expected, f"one on {_digests(told, measured)}", _EVALUATE, True)


def _digests(names: list[str], sha256: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {sha256[name][:_SHOWN]}…" if name in sha256 else f"no {name}" for name in names)


def _measured(report: Report) -> dict[str, str]:
    """Return the digests of what was measured; a model that was imported as a SavedModel has no model.keras."""
    measured = {TFLITE_FILE: report.model_sha256, CONTRACT_FILE: report.contract_sha256}
    if report.reference == KerasFloat.name:
        measured[KERAS_FILE] = report.variants[KerasFloat.name].sha256
    return measured


def _present(artifact: Artifact) -> dict[str, str]:
    """Return the digests of what would be published."""
    files = {name: digest(artifact.files[name]) for name in (TFLITE_FILE, KERAS_FILE) if name in artifact.files}
    return {**files, CONTRACT_FILE: measured_contract_sha256(artifact.contract)}


def _quality(artifact: Artifact) -> Check:
    report = artifact.report
    if report is None:
        expected = "a loss against the float model within the contract's limits"
        return Check(
            "quality", False, expected, "no figures: it was never evaluated", f"{_EVALUATE}, with --data", True
        )
    rule = contract_rule(artifact.contract, report.metric)
    expected = f"at most {rule.show_limit()} lost against the float model on test data, and answers near its own"
    if report.reference is None:
        return Check("quality", True, expected, "no float model to compare with: this file is the model", _EVALUATE)
    if report.loss is None:
        return Check("quality", False, expected, "a report without the loss", _EVALUATE, True)
    broken = rule.broken(report.loss, report.measured)
    return Check("quality", not broken, expected, "; ".join(broken) or rule.show_loss(report.loss), _BETTER, True)
