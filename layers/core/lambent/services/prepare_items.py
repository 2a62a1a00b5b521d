"""A shard's items into arrays, on threads and a bounded number of them ahead of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore

from lambent.contracts.jobs import ShardItem
from lambent.contracts.tensor import Array
from lambent.errors import LambentError
from lambent.ports import ObjectStore
from lambent.services.fetch_item import fetch_item
from lambent.services.load_model import ServedModel
from lambent.services.shard_care import ShardCare

_PATIENCE_S = 0.2


@dataclass(frozen=True, slots=True)
class ReadyItem:
    """An item that is arrays now, or the permanent error that it met; ``position`` is its place in the shard."""

    position: int
    item: ShardItem
    arrays: dict[str, Array] | None
    error: LambentError | None


@dataclass(frozen=True)
class PreparingLimits:
    """What preparing may take of a host.

    Parameters
    ----------
    threads    items that are fetched or wait to be decoded at the same time: the store answers late, but to many
    decoders   items that are decoded at the same time, which is work for a processor and memory for pixels
    on_start   called in each thread when it starts
    """

    threads: int
    decoders: int
    on_start: Callable[[], None] = lambda: None


class ItemPreparer:
    """Fetches and preprocesses items for one version; decoding leaves Python's lock to others most of the time."""

    def __init__(self, data: ObjectStore, model: ServedModel, limits: PreparingLimits, care: ShardCare) -> None:
        self._data = data
        self._model = model
        self._care = care
        self._threads = limits.threads
        self._on_start = limits.on_start
        self._decoders = BoundedSemaphore(limits.decoders)

    def prepare(self, position: int, item: ShardItem) -> ReadyItem:
        """Return an item ready for the model; raises Unavailable and any other error that is not the item's own."""
        try:
            raw = fetch_item(self._data, item, max_bytes=self._model.contract.limits.max_input_bytes)
            with self._decoders:
                return ReadyItem(position, item, self._model.preprocessor.prepare(raw), None)
        except LambentError as error:
            if not error.is_final:
                raise
            return ReadyItem(position, item, None, error)

    def _prepare_marked(self, position: int, item: ShardItem) -> ReadyItem:
        if (error := self._care.error_of(position)) is not None:
            return ReadyItem(position, item, None, error)
        self._care.marks.preparing(position)
        ready = self.prepare(position, item)
        self._care.marks.prepared(position)
        return ready

    def prepare_all(
        self,
        items: Iterable[tuple[int, ShardItem]],
        *,
        ahead: int,
        is_ordered: bool,
        while_waiting: Callable[[], None],
    ) -> Iterator[ReadyItem]:
        """Yield every item once it is ready, and one that is guilty of an earlier process's end without preparing it.

        Parameters
        ----------
        items           with their positions; taken from as results are taken, never more than ``ahead`` in advance
        is_ordered      whether they come in their order, or each as soon as it is ready
        while_waiting   called now and then while no item is ready; what it raises ends the preparing

        Raises
        ------
        Unavailable   and any other error of `prepare`; items under way are given up
        """
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="prepare", initializer=self._on_start)
        waiting: _InOrder | _AsReady = _InOrder() if is_ordered else _AsReady()
        try:
            for position, item in items:
                waiting.add(pool.submit(self._prepare_marked, position, item))
                if len(waiting) >= ahead:
                    yield waiting.take(while_waiting)
            while len(waiting):
                yield waiting.take(while_waiting)
        finally:
            # Whoever stops early has no time to wait for a download: its thread ends with it.
            pool.shutdown(wait=False, cancel_futures=True)


class _InOrder:
    """Items under way, of which the oldest comes first."""

    def __init__(self) -> None:
        self._futures: deque[Future[ReadyItem]] = deque()

    def __len__(self) -> int:
        return len(self._futures)

    def add(self, future: Future[ReadyItem]) -> None:
        self._futures.append(future)

    def take(self, while_waiting: Callable[[], None]) -> ReadyItem:
        future = self._futures.popleft()
        while True:
            try:
                return future.result(_PATIENCE_S)
            except NotYet:
                while_waiting()


class _AsReady:
    """Items under way, of which the first that is ready comes first."""

    def __init__(self) -> None:
        self._done: SimpleQueue[Future[ReadyItem]] = SimpleQueue()
        self._under_way = 0

    def __len__(self) -> int:
        return self._under_way

    def add(self, future: Future[ReadyItem]) -> None:
        self._under_way += 1
        future.add_done_callback(self._done.put)

    def take(self, while_waiting: Callable[[], None]) -> ReadyItem:
        while True:
            try:
                future = self._done.get(timeout=_PATIENCE_S)
            except Empty:
                while_waiting()
            else:
                self._under_way -= 1
                return future.result()
