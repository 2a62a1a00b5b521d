"""Runs of one tenant: start, follow, list, cancel, and bring back what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambent.domain.names import INPUTS
from lambent.errors import SourceGone
from lambent.runtime.clock import SystemClock
from lambent_toolkit.modelkit.errors import ResultDamaged, RunNotStarted, RunUnknown, StepFailedRemotely
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.remote.bundle import Contents, Order
from lambent_toolkit.remote.contents import evaluation_order, training_order, version_order
from lambent_toolkit.remote.fetching import check_free, fetch_folder, fetch_report
from lambent_toolkit.remote.following import Follower, Listener
from lambent_toolkit.remote.lane import Lane
from lambent_toolkit.remote.records import (
    TRAINING,
    Outcome,
    RunKeys,
    RunRecord,
    SubmittedJob,
    Task,
    decode,
    encode,
    new_run_id,
    tenant_prefix,
)
from lambent_toolkit.remote.run_store import RunStore, S3RunStore
from lambent_toolkit.remote.wording import CANCELLED_BY, failure, state_in_words

if TYPE_CHECKING:
    from lambent.ports import Clock
    from lambent_toolkit.modelkit.named_models import NamedVersion
    from lambent_toolkit.stacks.stack import Stack

_JSON = "application/json"
_RECORD = "/run.json"
_NOT_SUBMITTED = "stored, and never submitted"
_FORGOTTEN = "ended, AWS Batch has forgotten how"


@dataclass(frozen=True)
class RunState:
    """A run and where it stands, in words."""

    record: RunRecord
    state: str


class Runs:
    """The runs of a tenant on one stack.

    All methods raise Unavailable when AWS does not answer; nothing is lost then, and the same call may be made again.

    Parameters
    ----------
    store   the stack's data bucket
    lane    its GPU lane
    """

    def __init__(self, store: RunStore, lane: Lane, *, tenant: str, clock: Clock | None = None) -> None:
        self._store, self._lane, self._tenant = store, lane, tenant
        self._clock = clock or SystemClock()

    @classmethod
    def of(cls, stack: Stack, *, tenant: str) -> Runs:
        """Return a stack's runs; raises LaneMissing."""
        lane = Lane.of(stack)
        return cls(S3RunStore(stack.client("s3"), stack.buckets["data"]), lane, tenant=tenant)

    def train(self, recipe: Recipe, out: Path) -> RunRecord:
        """Start a training; its artifact is for the folder ``out``.

        Raises
        ------
        FolderOccupied    ``out`` is not empty
        BundleTooLarge    and what else `training_order` raises: nothing was uploaded
        """
        check_free(out)
        return self._start(
            "train", recipe.name, out, lambda contents: training_order(recipe, contents, near=self._near)
        )

    def evaluate(self, folder: Path, *, data: str | None = None) -> RunRecord:
        """Start an evaluation of a working folder; its report is for that folder. Raises as `evaluation_order`."""

        def order(contents: Contents) -> Order:
            return evaluation_order(folder, contents, data=data, near=self._near)

        return self._start("evaluate", str(folder), folder, order)

    def evaluate_version(self, version: NamedVersion, out: Path) -> RunRecord:
        """Start an evaluation of a published version; its report is for the folder ``out``."""

        def order(contents: Contents) -> Order:
            return version_order(version, contents, near=self._near)

        return self._start("evaluate", version.name, out, order)

    def _start(self, task: Task, what: str, out: Path, order: Callable[[Contents], Order]) -> RunRecord:
        keys = RunKeys(self._tenant, new_run_id(self._clock.epoch_s()))
        with TemporaryDirectory(prefix="lambent-bundle-") as folder:
            bundle, contents = Path(folder) / "bundle.zip", Contents()
            sha256 = contents.write(bundle, order(contents))
            self._store.upload(keys.bundle(sha256), bundle)
        record = RunRecord(
            run_id=keys.run_id,
            task=task,
            what=what,
            bundle_sha256=sha256,
            created_at=self._clock.now(),
            by=getuser(),
            out=str(out.resolve()),
        )
        # Before the job: whoever is killed in between finds the run, and the job by its name.
        self._store.write(keys.record, encode(record), content_type=_JSON)
        parameters = {"task": task, "tenant": keys.tenant, "run": keys.run_id, "bundle": sha256}
        job = SubmittedJob(batch_job_id=self._lane.submit(keys.job_name, parameters))
        self._store.write(keys.job, encode(job), content_type=_JSON)
        return record

    @property
    def _near(self) -> tuple[str, ...]:
        """What a job of this tenant may read where it is."""
        return tuple(self._store.uri(f"{prefix}/{self._tenant}/") for prefix in (INPUTS, TRAINING))

    def finish(self, run_id: str, listener: Listener, *, out: Path | None = None) -> tuple[RunRecord, Path]:
        """Follow a run to its end, and bring back what came out of it.

        Parameters
        ----------
        out   another folder than the one that the run was started with

        Returns
        -------
        tuple   the run, and the folder

        Raises
        ------
        RunUnknown, RunNotStarted
        FolderOccupied               the artifact of a training is for an empty folder; told before it is waited for
        StepFailedRemotely           the step's own error
        RunFailed, RunCancelled      the job ended otherwise
        ResultDamaged                nothing was kept
        """
        keys = RunKeys(self._tenant, run_id)
        record = self.record(run_id)
        folder = out or Path(record.out)
        if record.task == "train":
            check_free(folder)
        outcome = self._outcome(keys)
        if outcome is None or not outcome.is_good:
            outcome = self._wait(keys, listener)
        fetch = fetch_folder if record.task == "train" else fetch_report
        fetch(self._store, keys, outcome, folder)
        return record, folder

    def _wait(self, keys: RunKeys, listener: Listener) -> Outcome:
        job = Follower(self._lane, listener).follow(self._batch_job_id(keys))
        outcome = self._outcome(keys)
        if outcome is not None and not outcome.is_good:
            raise StepFailedRemotely(outcome.message, exit_code=outcome.exit_code)
        if outcome is not None:
            return outcome
        if job["status"] == "FAILED":
            raise failure(job, run_id=keys.run_id)
        raise ResultDamaged(f"The job of run {keys.run_id} succeeded, and its outcome.json is gone.")

    def record(self, run_id: str) -> RunRecord:
        """Return what was asked for; raises RunUnknown."""
        keys = RunKeys(self._tenant, run_id)
        try:
            return decode(self._store.read(keys.record).body, RunRecord, where=keys.record)
        except SourceGone as exc:
            raise RunUnknown(
                f"Tenant {self._tenant} has no run {run_id}, or it has expired: see `lambent runs list`."
            ) from exc

    def cancel(self, run_id: str) -> RunRecord:
        """End a run, whether it waits or runs; one that has ended stays as it is. Raises RunUnknown, RunNotStarted."""
        record = self.record(run_id)
        self._lane.cancel(self._batch_job_id(RunKeys(self._tenant, run_id)), f"{CANCELLED_BY} of {getuser()}")
        return record

    def list(self) -> list[RunState]:
        """Return all runs that have not expired, the newest first."""
        found = self._store.listing(tenant_prefix(self._tenant))
        ids = [each.key.split("/")[-2] for each in found if each.key.endswith(_RECORD)]
        return list(self._states(sorted(ids, reverse=True)))

    def _states(self, run_ids: list[str]) -> Iterator[RunState]:
        jobs = {run_id: self._known_job_id(RunKeys(self._tenant, run_id)) for run_id in run_ids}
        described = self._lane.describe([job for job in jobs.values() if job])
        for run_id, job in jobs.items():
            state = state_in_words(described[job]) if job in described else _FORGOTTEN if job else _NOT_SUBMITTED
            yield RunState(self.record(run_id), state)

    def _batch_job_id(self, keys: RunKeys) -> str:
        found = self._known_job_id(keys)
        if found is None:
            raise RunNotStarted(
                f"Run {keys.run_id} was stored, and its job was never submitted: give the same command again."
            )
        return found

    def _known_job_id(self, keys: RunKeys) -> str | None:
        try:
            return decode(self._store.read(keys.job).body, SubmittedJob, where=keys.job).batch_job_id
        except SourceGone:
            return self._lane.find(keys.job_name)

    def _outcome(self, keys: RunKeys) -> Outcome | None:
        try:
            return decode(self._store.read(keys.outcome).body, Outcome, where=keys.outcome)
        except SourceGone:
            return None
