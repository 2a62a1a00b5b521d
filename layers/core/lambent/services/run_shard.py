"""One shard of a batch, on either lane: items in, one results part out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from lambent.contracts.jobs import Plan, ShardItem
from lambent.contracts.lines import CONTENT_TYPE, encode_lines, error_line
from lambent.contracts.media import Prediction
from lambent.contracts.parts import decode_part, encode_part, part_content_type, part_file
from lambent.contracts.tensor import Array
from lambent.domain.job import ShardProgress
from lambent.domain.job_states import JobState, states_before
from lambent.domain.model import ModelRef, Target
from lambent.domain.names import errors_file, job_key
from lambent.errors import LambentError, SourceGone
from lambent.ports import Clock, JobStore, ObjectStore
from lambent.services.fetch_item import fetch_item
from lambent.services.load_model import ModelCache, ServedModel
from lambent.services.predict import Timings, predict_items
from lambent.services.read_plan import read_plan, read_shard

_TOP_K = 5
_HEARTBEAT_S = 1.0


@dataclass(frozen=True)
class _Ready:
    """An item that is arrays now, or the error that it met on the way."""

    item: ShardItem
    arrays: dict[str, Array] | None
    error: LambentError | None


class ShardService:
    """Runs shards with one model cache; the GPU worker and InferFunction differ in their interpreters only."""

    def __init__(self, *, data: ObjectStore, jobs: JobStore, models: ModelCache, clock: Clock, batch_size: int) -> None:
        self._data = data
        self._jobs = jobs
        self._models = models
        self._clock = clock
        self._batch_size = batch_size

    def run(self, tenant: str, job_id: str, shard: int, *, on_progress: Callable[[int], None] | None = None) -> Target:
        """Run one shard to its end and write its part; a shard whose part exists is only reported again.

        Items that cannot be read, decoded or answered become error lines; they never fail the shard or each other.

        Parameters
        ----------
        on_progress   called with the number of items handled so far

        Returns
        -------
        Target   the version that the job is pinned to

        Raises
        ------
        BrokenArtifact   the version cannot be served
        SourceGone       the job has no plan, or no such shard
        Unavailable      and any other retryable error; run the shard again
        """
        plan = read_plan(self._data, tenant, job_id)
        self._jobs.transition(
            tenant, job_id, JobState.RUNNING, allowed=states_before(JobState.RUNNING), at=self._clock.now()
        )
        lines = self._existing(plan, shard)
        if lines is None:
            lines = self._predict(plan, shard, on_progress)
            lines = self._write(plan, shard, lines)
        self._report(plan, shard, lines, is_finished=True)
        return _target(plan)

    def fail(self, tenant: str, job_id: str, shard: int, error: LambentError) -> Target:
        """End a shard that cannot run: every item of it gets the error; return the version that the job is pinned to.

        Raises
        ------
        SourceGone, Unavailable
        """
        plan = read_plan(self._data, tenant, job_id)
        lines = [error_line(item, error.to_dict()) for item in read_shard(self._data, plan, shard)]
        self._report(plan, shard, self._write(plan, shard, lines), is_finished=True)
        return _target(plan)

    def _predict(self, plan: Plan, shard: int, on_progress: Callable[[int], None] | None) -> list[dict[str, Any]]:
        # The model comes first: a broken one must fail the shard before any item is blamed.
        model = self._models.get(_target(plan).ref)
        items = read_shard(self._data, plan, shard)
        lines: list[dict[str, Any]] = []
        beat = 0.0
        for batch in _chunks(items, min(self._batch_size, model.contract.limits.max_rows)):
            lines += self._predict_batch(model, [self._prepare(item, model) for item in batch])
            if on_progress is not None:
                on_progress(len(lines))
            if self._clock.epoch_s() - beat >= _HEARTBEAT_S:
                self._report(plan, shard, lines, is_finished=False)
                beat = self._clock.epoch_s()
        return lines

    def _prepare(self, item: ShardItem, model: ServedModel) -> _Ready:
        try:
            raw = fetch_item(self._data, item, max_bytes=model.contract.limits.max_input_bytes)
            return _Ready(item, model.preprocessor.prepare(raw), None)
        except LambentError as error:
            if not error.is_final:
                raise
            return _Ready(item, None, error)

    def _predict_batch(self, model: ServedModel, batch: list[_Ready]) -> list[dict[str, Any]]:
        prepared = [ready.arrays for ready in batch if ready.arrays is not None]
        answers = iter(_answer_each(model, prepared))
        return [
            error_line(ready.item, ready.error.to_dict())
            if ready.error is not None
            else _line(ready.item, model, next(answers))
            for ready in batch
        ]

    def _write(self, plan: Plan, shard: int, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write a part unless there is one; return the lines of the one that counts."""
        errors = [line for line in lines if "error" in line]
        if errors:
            key = job_key(plan.tenant, plan.job_id, errors_file(shard))
            self._data.write(key, encode_lines(errors), content_type=CONTENT_TYPE)
        body = encode_part(lines, plan.output)
        is_first = self._data.write_once(_part_key(plan, shard), body, content_type=part_content_type(plan.output))
        return lines if is_first else self._existing(plan, shard) or lines

    def _existing(self, plan: Plan, shard: int) -> list[dict[str, Any]] | None:
        try:
            return decode_part(self._data.read(_part_key(plan, shard)).body, plan.output)
        except SourceGone:
            return None

    def _report(self, plan: Plan, shard: int, lines: list[dict[str, Any]], *, is_finished: bool) -> None:
        failed = sum("error" in line for line in lines)
        progress = ShardProgress(shard, len(lines) - failed, failed, is_finished, self._clock.now())
        self._jobs.record_shard(plan.tenant, plan.job_id, progress, expires_at_s=plan.expires_at_s)


def _part_key(plan: Plan, shard: int) -> str:
    return job_key(plan.tenant, plan.job_id, part_file(shard, plan.output))


def _target(plan: Plan) -> Target:
    return Target(ModelRef(plan.model, plan.version), plan.is_canary)


def _answer_each(model: ServedModel, prepared: list[dict[str, Array]]) -> list[Prediction | LambentError]:
    """Return each item's prediction, or the permanent error that it alone meets; raises retryable errors."""
    if not prepared:
        return []
    try:
        return [*predict_items(model, prepared, Timings(), top_k=_TOP_K)]
    except LambentError as error:
        if not error.is_final:
            raise
        if len(prepared) == 1:
            return [error]
    # A batch fails as a whole, by an item that the model itself cannot take: alone, each has the outcome it deserves.
    return [answer for item in prepared for answer in _answer_each(model, [item])]


def _line(item: ShardItem, model: ServedModel, answer: Prediction | LambentError) -> dict[str, Any]:
    if isinstance(answer, LambentError):
        return error_line(item, answer.to_dict())
    return {"id": item.id, "model": str(model.ref), **msgspec.to_builtins(answer)}


def _chunks(items: list[ShardItem], size: int) -> Iterator[list[ShardItem]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
