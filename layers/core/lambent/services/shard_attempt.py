"""One attempt of a shard: from its last checkpoint to its last item, or to where somebody stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from lambent.contracts.jobs import Plan, ShardItem
from lambent.domain.preprocessing.padding import Padding
from lambent.errors import Interrupted, MemoryExhausted, ProcessingCrashed
from lambent.ports import Clock, ObjectStore
from lambent.services.answer_batch import answer_batch, run_alone
from lambent.services.checkpoint_shard import BatchSizes, Checkpoints
from lambent.services.load_model import ServedModel
from lambent.services.prepare_items import ItemPreparer, PreparingLimits, ReadyItem
from lambent.services.read_plan import each_item
from lambent.services.result_lines import ResultLines
from lambent.services.shard_care import ShardCare


@dataclass(frozen=True)
class CheckpointRule:
    """When finished lines go into a checkpoint: after so many items, or so many seconds, whichever is first."""

    items: int = 1000
    seconds: float = 30.0


@dataclass(frozen=True)
class AttemptWatch:
    """Who is told of an attempt's progress, and who may stop it.

    Parameters
    ----------
    on_batch      called after every batch
    beat          called often; raises what ends the attempt without a checkpoint
    should_stop   asked often; whether the host is about to go
    on_event      called with the name of each step that changes the store, before and after it
    """

    on_batch: Callable[[], None]
    beat: Callable[[], None]
    should_stop: Callable[[], bool]
    on_event: Callable[[str], None]


class ShardAttempt:
    """Computes the lines of one shard into ``lines``."""

    def __init__(
        self,
        *,
        data: ObjectStore,
        clock: Clock,
        plan: Plan,
        shard: int,
        lines: ResultLines,
        limits: PreparingLimits,
        rule: CheckpointRule,
        watch: AttemptWatch,
        is_compiled: bool,
        care: ShardCare,
        tries_alone: bool,
    ) -> None:
        self._data = data
        self._clock = clock
        self._plan = plan
        self._shard = shard
        self._lines = lines
        self._limits = limits
        self._rule = rule
        self._watch = watch
        self._is_compiled = is_compiled
        self._care = care
        self._tries_alone = tries_alone
        self._is_done = bytearray(plan.items_of(shard))
        self._saved_at_s = clock.epoch_s()
        self.checkpoints = Checkpoints(data, plan, shard)

    def run(self, model: ServedModel, find_size: Callable[[], int]) -> None:
        """Compute what is missing.

        Parameters
        ----------
        find_size   called for the size of the batches where no earlier attempt has recorded one

        Raises
        ------
        Interrupted   told to stop; what was finished is in a checkpoint
        Unavailable   and any other error that is not an item's own; run the shard again
        """
        self._care.begin()
        if not self.checkpoints.resume(self._lines, self._is_done):
            self.checkpoints.sizes = BatchSizes(find_size())
        resumed = len(self._lines)
        try:
            self._try_suspects(model)
            if self._care.suspicion.is_batch_too_large:
                self.checkpoints.halve(len(self._lines))
                self._care.halved()
            self._answer_all(model)
        except _Stopped:
            self._save()
            self._care.stop()
            error = Interrupted(f"The host stops after {len(self._lines)} of {len(self._is_done)} items.")
            error.gained = len(self._lines) - resumed + self._care.condemned
            raise error from None

    def _try_suspects(self, model: ServedModel) -> None:
        """Try each suspect alone; one that ends this process is guilty in the next."""
        wanted = set(self._care.suspicion.suspects)
        preparer = ItemPreparer(self._data, model, self._limits, self._care)
        for position, item in self._missing() if wanted else ():
            if position in wanted:
                self._check()
                self._care.try_alone(position)
                ready = preparer.prepare(position, item)
                # In the shape that its batch will have, since that is what an interpreter may be compiled for.
                run_alone(model, ready, self._padding(self.checkpoints.sizes.rows(len(self._lines)), 1))
                self._care.clear(position)

    def _answer_all(self, model: ServedModel) -> None:
        ready = self._prepared(model)
        while batch := list(islice(ready, self.checkpoints.sizes.items(len(self._lines)))):
            self._answer(model, batch)
            self._watch.on_batch()
            self._pause()

    def _prepared(self, model: ServedModel) -> Iterator[ReadyItem]:
        preparer = ItemPreparer(self._data, model, self._limits, self._care)
        return preparer.prepare_all(
            self._missing(),
            # While one batch is computed the next one is made ready, and every thread has an item under way.
            ahead=self.checkpoints.sizes.start + self._limits.threads,
            is_ordered=self._plan.output.order == "item",
            while_waiting=self._check,
        )

    def _missing(self) -> Iterator[tuple[int, ShardItem]]:
        items = enumerate(each_item(self._data, self._plan, self._shard))
        return ((position, item) for position, item in items if not self._is_done[position])

    def _answer(self, model: ServedModel, batch: list[ReadyItem]) -> None:
        """Add the batch's lines; in several smaller batches, if the memory asks for it."""
        if self._tries_alone:
            batch = [self._on_trial(model, ready) for ready in batch]
        while batch:
            line, sizes = len(self._lines), self.checkpoints.sizes
            now = batch[: sizes.items(line)]
            positions = [ready.position for ready in now]
            self._care.begin_batch(positions)
            try:
                self._lines.add(answer_batch(model, now, self._padding(sizes.rows(line), len(now))))
            except MemoryExhausted:
                self.checkpoints.halve(line)
                continue
            self._care.marks.done(positions)
            self.checkpoints.note(positions)
            batch = batch[len(now) :]

    def _on_trial(self, model: ServedModel, ready: ReadyItem) -> ReadyItem:
        """Return an item, with its error if the process of its own that it is tried in does not survive it."""
        self._check()
        error = ready.error or run_alone(model, ready, self._padding(1, 1))
        if not isinstance(error, ProcessingCrashed) or ready.position in self._care.suspicion.guilty:
            return ready
        return replace(ready, arrays=None, error=self._care.condemn(ready.position, str(error.got)))

    def _padding(self, rows: int, items: int) -> Padding:
        # Bad items never change a batch's shape; that the last batch is smaller does, where another shape costs little.
        return Padding(rows if self._is_compiled else items, has_few_lengths=self._is_compiled)

    def _pause(self) -> None:
        """Between two batches: stop if told so, save what is due."""
        self._check()
        is_due = self._clock.epoch_s() - self._saved_at_s >= self._rule.seconds
        # The last lines go into the part at once.
        if (is_due or self.checkpoints.unsaved >= self._rule.items) and len(self._lines) < len(self._is_done):
            self._save()

    def _check(self) -> None:
        if self._watch.should_stop() and len(self._lines) < len(self._is_done):
            raise _Stopped
        self._watch.beat()

    def _save(self) -> None:
        self._watch.on_event("before_checkpoint")
        self.checkpoints.save(self._lines)
        self._saved_at_s = self._clock.epoch_s()
        self._watch.on_event("after_checkpoint")


class _Stopped(Exception):
    """Somebody asked the attempt to stop."""
