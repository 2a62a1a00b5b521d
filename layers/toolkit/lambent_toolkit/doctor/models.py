"""Checks of what is served: labels, files, signatures."""

from __future__ import annotations

from itertools import count

from lambent.domain.model import LIVE, Canary, LabelRecord, ModelRef, VersionState
from lambent.domain.rollout import REQUEST_KEY_HEADER, gets_canary
from lambent.errors import LambentError, Misconfigured, Unavailable
from lambent_toolkit.doctor.answers import is_well, told
from lambent_toolkit.doctor.findings import Finding, failed, ok, skipped, warning
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import check
from lambent_toolkit.doctor.trial import HEADER_LENGTH
from lambent_toolkit.modelkit.pinned_keys import pinned_keys

GROUP = "models"
_NONE_YET = "no model is published yet"
_KEYS_A_SIDE = 5
# What says nothing of a version: AWS did not answer, or not to these credentials.
_COULD_NOT_LOOK = (Unavailable, Misconfigured)


@check("models-published", group=GROUP, asks="Is there a model that callers can name without a version?")
def _models_published(patient: Patient) -> Finding:
    registry = patient.rollout.registry
    names = registry.models()
    if not names:
        return warning(
            f"{_NONE_YET}: every call answers 404", mend="lambent publish FOLDER; lambent label set MODEL live 1"
        )
    dark = [name for name in names if registry.label(name, LIVE) is None]
    if dark:
        said = f"without a label {LIVE}, so that only versions can be called: {', '.join(dark)}"
        return warning(said, mend=f"lambent label set {dark[0]} {LIVE} VERSION")
    return ok(f"{len(names)} models are live: {', '.join(names)}")


@check("labels-lead-somewhere", group=GROUP, asks="Does every label point to a version that can be served?")
def _labels(patient: Patient) -> Finding:
    rollout, broken, labels = patient.rollout, [], 0
    for name in rollout.registry.models():
        active = {
            record.ref.version for record in rollout.registry.versions(name) if record.state is VersionState.ACTIVE
        }
        for label in rollout.registry.labels(name):
            labels += 1
            wanted = {label.version, *([label.canary.version] if label.canary else [])}
            broken += [f"{name}@{label.label} → {version}" for version in sorted(wanted - active)]
    if broken:
        return failed(
            f"these versions are gone or retired: {', '.join(broken)}", mend="lambent label set MODEL LABEL VERSION"
        )
    return ok(f"{labels} labels") if labels else skipped(_NONE_YET)


@check(
    "versions-verified", group=GROUP, asks="Is every file of each version that a label points to what was published?"
)
def _versions_verified(patient: Patient) -> Finding:
    broken, files = [], 0
    for ref in patient.served:
        try:
            manifest = patient.rollout.files.manifest(ref)
            for name in manifest.files:
                patient.rollout.files.file(ref, manifest, name)
                files += 1
        except _COULD_NOT_LOOK:
            raise
        except LambentError as exc:
            broken.append(f"{ref}: {exc.detail}")
    if broken:
        return failed("; ".join(broken), mend="move the label to a version that is whole, publish this one anew")
    return ok(f"{files} files of {len(patient.served)} versions") if patient.served else skipped(_NONE_YET)


@check("versions-signed", group=GROUP, asks="Would the functions take each served version's signature?")
def _versions_signed(patient: Patient) -> Finding:
    if not patient.served:
        return skipped(_NONE_YET)
    if pinned_keys(patient.stack) is None:
        return skipped("the stack pins no key, so it serves what anybody with the right to publish has published")
    refused = []
    for ref in patient.served:
        try:
            patient.rollout.check_servable(ref.name, ref.version)
        except _COULD_NOT_LOOK:
            raise
        except LambentError as exc:
            refused.append(f"{ref}: {exc.detail}")
    if refused:
        return failed("; ".join(refused), mend="publish it by `--sign`, or pin its key: parameter ModelPublicKeys")
    return ok(f"{len(patient.served)} versions are signed by a pinned key")


@check("canary-sticky", group=GROUP, asks="Does a request's key decide which version answers, the same one each time?")
def _canary_sticky(patient: Patient) -> Finding:
    found = [
        (label, label.canary)
        for name in patient.rollout.registry.models()
        for label in patient.rollout.registry.labels(name)
        if label.canary is not None
    ]
    for label, canary in found:
        if wrong := _why_not_sticky(patient, label, canary):
            return failed(
                wrong,
                mend="functions of different releases, or labels changed just now: ask again, then lambent deploy",
            )
    if not found:
        return skipped("no label has a canary")
    told = ", ".join(
        f"{each.name}@{each.label}: {canary.weight_percent:g}% get {canary.version}" for each, canary in found
    )
    return ok(f"{told}; {2 * _KEYS_A_SIDE} keys, each twice, met the version that is theirs")


def _why_not_sticky(patient: Patient, label: LabelRecord, canary: Canary) -> str:
    trial = patient.trial_of(ModelRef(label.name, label.version))
    body, header_bytes = trial.oip_binary()
    path = f"/v2/models/{label.name}/versions/{label.label}/infer"
    for key, version in _keys(label, canary) * 2:
        headers = {
            REQUEST_KEY_HEADER: key,
            HEADER_LENGTH: str(header_bytes),
            "Content-Type": "application/octet-stream",
        }
        answer = patient.http.post(path, content=body, headers=headers)
        if not is_well(answer):
            return f"{label.name}@{label.label}: {told(answer)}"
        wanted, got = str(ModelRef(label.name, version)), answer.headers.get("lambent-model")
        if got != wanted:
            return f"{label.name}@{label.label}: a key of {wanted} was answered by {got}"
    return ""


def _keys(label: LabelRecord, canary: Canary) -> list[tuple[str, int]]:
    """Return request keys with the versions that are theirs, as many of the canary as of the stable one."""
    sides: dict[int, list[str]] = {canary.version: [], label.version: []}
    for number in count():
        key = f"doctor-{number}"
        side = sides[canary.version if gets_canary(label.name, label.label, canary, key) else label.version]
        if len(side) < _KEYS_A_SIDE:
            side.append(key)
        if all(len(each) == _KEYS_A_SIDE for each in sides.values()):
            break
    return [(key, version) for version, keys in sides.items() for key in keys]
