"""Models by what a person calls them: a working folder, or a published version of the running stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lambent.domain.model import REPORT_FILE, ModelRef
from lambent.services.describe import DescribeService
from lambent_toolkit.modelkit.data_source import find_data, split_for
from lambent_toolkit.modelkit.errors import DataNeeded, DataUnknown
from lambent_toolkit.modelkit.evaluating.contestants import Ready, ready_folder
from lambent_toolkit.modelkit.evaluating.evaluation import evaluate
from lambent_toolkit.modelkit.evaluating.page import REPORT_PAGE, report_page
from lambent_toolkit.modelkit.evaluating.subject import (
    Subject,
    files_of_version,
    subject_of_files,
    subject_of_version,
)
from lambent_toolkit.modelkit.report import Report, decode_report
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.modelkit.shown import parse_choice
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.whole_files import write_together
from lambent_toolkit.stacks.find import StackChoice, find_stack


def is_version(name: str) -> bool:
    """Return whether a name is that of a published version, ``MODEL@7`` or ``MODEL@label``, and not of a folder."""
    return "@" in name and not Path(name).exists()


@dataclass(frozen=True)
class NamedVersion:
    """A published version as it is evaluated.

    Parameters
    ----------
    name              ``MODEL@VERSION``
    files             see `files_of_version`
    manifest_sha256   of the version
    data_name         of what it is evaluated on
    """

    name: str
    files: Mapping[str, bytes]
    manifest_sha256: str
    data_name: str

    def subject(self) -> Subject:
        """Return the model; raises ReportOutdated."""
        return subject_of_files(self.files, name=self.name, sha256=self.manifest_sha256)


def run_version_evaluation(subject: Subject, folder: Path, *, data_name: str, watcher: Watcher = SILENCE) -> Report:
    """Measure a version on some data, and leave report.json and report.html in ``folder``.

    Raises
    ------
    DataUnknown, DataUnfit, DataUnusable, RecipeUnfit   see `split_for`
    """
    evaluation = evaluate(subject, split_for(subject.declaration, data_name), data_name=data_name, watcher=watcher)
    written = {REPORT_PAGE: report_page(evaluation).encode(), REPORT_FILE: to_json(evaluation.report)}
    write_together(folder, written, last=REPORT_FILE)
    return evaluation.report


@dataclass(frozen=True)
class NamedModels:
    """Folders, and the versions of the stack that is meant; it is looked for only if a version is named."""

    stack: StackChoice

    def ready(self, name: str) -> Ready:
        """Return an evaluated model.

        Raises
        ------
        StepMissing, ReportOutdated, ModelFileExchanged   see `ready_folder`
        StackError, StackNotRunning                       a version is named, and there is no such stack
        ModelNotFound, NameInvalid, BrokenArtifact        see `subject_of_version`
        """
        if not is_version(name):
            return ready_folder(Path(name))
        rollout = self._rollout()
        ref = self._ref(name, rollout)
        return Ready(subject_of_version(ref, rollout.files), self._data_name(ref, rollout))

    def evaluate_version(
        self, name: str, folder: Path, *, data_name: str | None = None, watcher: Watcher = SILENCE
    ) -> Report:
        """Evaluate a published version anew; report.json and report.html go into ``folder``, never into the registry.

        Raises
        ------
        DataNeeded   no data is named, and that of its report is not known here
        DataUnknown, DataUnfit, DataUnusable, RecipeUnfit   see `split_for`
        ModelNotFound, BrokenArtifact, ReportOutdated       see `subject_of_version`
        """
        version = self.version(name, data_name=data_name)
        return run_version_evaluation(version.subject(), folder, data_name=version.data_name, watcher=watcher)

    def version(self, name: str, *, data_name: str | None = None) -> NamedVersion:
        """Return a published version with data that is known here; raises as `evaluate_version`."""
        rollout = self._rollout()
        ref = self._ref(name, rollout)
        own = data_name or self._data_name(ref, rollout)
        if own is None:
            raise DataNeeded(f"{ref} was published without a report: name data by --data.")
        try:
            find_data(own, rollout.files.contract(ref))
        except DataUnknown as exc:
            if data_name:
                raise
            raise DataNeeded(f"{ref} was evaluated on {own!r}, which is not known here: name data by --data.") from exc
        files = files_of_version(ref, rollout.files)
        return NamedVersion(str(ref), files, rollout.files.record(ref).manifest_sha256, own)

    def _rollout(self) -> Rollout:
        return Rollout(find_stack(self.stack))

    def _ref(self, name: str, rollout: Rollout) -> ModelRef:
        return DescribeService(rollout.registry).ref(parse_choice(name))

    def _data_name(self, ref: ModelRef, rollout: Rollout) -> str | None:
        manifest = rollout.files.manifest(ref)
        if REPORT_FILE not in manifest.files:
            return None
        return decode_report(rollout.files.file(ref, manifest, REPORT_FILE), of=str(ref)).data.name
