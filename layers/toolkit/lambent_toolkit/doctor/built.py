"""Checks of what was built: functions and layers agree with each other and with what the template was told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

from lambent_toolkit.doctor.findings import Finding, Status, failed, ok, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import check
from lambent_toolkit.stacks.errors import telling_aws_errors

GROUP = "deployment"
_AGAIN = "lambent deploy"
_LAYERS = ("CoreLayer", "NumericLayer", "TablesLayer")
_NO_LAYERS = "its functions run in this environment, without layers"
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html, as of 2026-11
_END_OF_RUNTIME = {"python3.11": "2027-06-30", "python3.12": "2028-10-31", "python3.13": "2029-06-30"}
_SOON_DAYS = 180
_NEWER = "lambent deploy --parameter PythonVersion=python3.12"


@check(
    "python-agrees",
    group=GROUP,
    aws_only=_NO_LAYERS,
    asks="Do functions and layers have the same Python as the template was told?",
)
def _python_agrees(patient: Patient) -> Finding:
    told = patient.parameters.get("PythonVersion") or patient.functions["predict"]["Runtime"]
    others = {name: found["Runtime"] for name, found in patient.functions.items() if found["Runtime"] != told}
    unfit = {
        name: ", ".join(found["CompatibleRuntimes"])
        for name, found in _layers(patient).items()
        if found.get("CompatibleRuntimes") and told not in found["CompatibleRuntimes"]
    }
    return _agreement("PythonVersion", told, {**others, **unfit})


@check(
    "architecture-agrees",
    group=GROUP,
    aws_only=_NO_LAYERS,
    asks="Do functions and layers have the processor that the template was told?",
)
def _architecture_agrees(patient: Patient) -> Finding:
    told = patient.parameters["Architecture"]
    found = {name: each.get("Architectures", ["x86_64"])[0] for name, each in patient.functions.items()}
    others = {name: processor for name, processor in found.items() if processor != told}
    unfit = {
        name: ", ".join(each["CompatibleArchitectures"])
        for name, each in _layers(patient).items()
        if each.get("CompatibleArchitectures") and told not in each["CompatibleArchitectures"]
    }
    return _agreement("Architecture", told, {**others, **unfit})


@check(
    "layers-agree",
    group=GROUP,
    aws_only=_NO_LAYERS,
    asks="Were the layers built for the Python, processor and interpreter that the template was told?",
)
def _layers_agree(patient: Patient) -> Finding:
    told = {
        "python": patient.parameters.get("PythonVersion") or patient.functions["predict"]["Runtime"],
        "architecture": patient.parameters["Architecture"],
        "interpreter": patient.parameters["Interpreter"],
    }
    differing = []
    for name, found in _layers(patient).items():
        answer = patient.stranger.get(found["Content"]["Location"])
        if not answer.is_success:
            said = f"{name} could not be read from Lambda's storage: HTTP {answer.status_code}"
            return Finding(Status.UNKNOWN, said, "does a proxy stop it? ask again")
        record = _built_for(name, answer.content)
        if record is None:
            return warning(f"{name} does not say what it was built for: it is of an older release", mend=_AGAIN)
        # Only the numeric layer holds an interpreter.
        differing += [f"{name} {record[what]}" for what, wanted in told.items() if record.get(what) not in (wanted, "")]
    if differing:
        said = ", ".join(told.values())
        return failed(f"told was {said}, and these were built for others: {', '.join(differing)}", mend=_AGAIN)
    return ok(f"built for {', '.join(told.values())}")


def _built_for(layer: str, body: bytes) -> dict[str, str] | None:
    """Read what a layer says of itself out of its zip, which may be 50 MB; None if it says nothing."""
    try:
        with ZipFile(BytesIO(body)) as file:
            return dict(json.loads(file.read(f"built/{layer}.json")))
    except (KeyError, BadZipFile):
        return None


def _agreement(parameter: str, told: str, others: Mapping[str, str]) -> Finding:
    if others:
        said = ", ".join(f"{name} {what}" for name, what in others.items())
        return failed(f"{parameter} is {told}, and these differ: {said}", mend=f"build and deploy anew: {_AGAIN}")
    return ok(f"{told} everywhere")


def _layers(patient: Patient) -> dict[str, dict[str, Any]]:
    """Return Lambda's word on each layer of the stack, by its logical id."""
    client, found = patient.client("lambda"), {}
    for logical_id in _LAYERS:
        # SAM adds a digest to the name, so that each build makes another layer version.
        arns = [arn for name, arn in patient.stack.resources.items() if name.startswith(logical_id)]
        for arn in arns:
            with telling_aws_errors():
                found[logical_id] = client.get_layer_version_by_arn(Arn=arn)
    return found


@check("runtime-supported", group=GROUP, asks="Does Lambda go on supporting the functions' Python?")
def _runtime_supported(patient: Patient) -> Finding:
    runtime = patient.functions["predict"]["Runtime"]
    if runtime not in _END_OF_RUNTIME:
        return warning(f"{runtime} is no runtime that this release knows", mend=f"{_AGAIN} with a PythonVersion it has")
    end = datetime.fromisoformat(f"{_END_OF_RUNTIME[runtime]}T00:00:00+00:00")
    left = end - datetime.fromtimestamp(patient.epoch_s(), UTC)
    if left.days < 0:
        return failed(f"Lambda's support of {runtime} ended on {end:%Y-%m-%d}", mend=_NEWER)
    if left.days < _SOON_DAYS:
        return warning(f"Lambda's support of {runtime} ends on {end:%Y-%m-%d}", mend=_NEWER)
    return ok(f"{runtime} until {end:%Y-%m-%d}")
