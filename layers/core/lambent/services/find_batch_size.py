"""A short warm-up: which batch size a model is fastest with on this host, within its memory."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from lambent.domain.preprocessing.padding import largest_batch
from lambent.errors import MemoryExhausted
from lambent.services.load_model import ServedModel

_FIRST = 8
# A doubling that gains less costs memory, and time where a shard's last batch is padded, for nothing.
_WORTH_IT = 1.1
_RUNS = 3
_ENOUGH_S = 1.0
# Twice the batch takes up to twice the memory, while the next one is prepared and raw files lie about.
_MARGIN = 4


class BatchSizeFinder:
    """Doubles the batch while that pays.

    Parameters
    ----------
    free_memory_bytes   returns what the host has left; an accelerator says by MemoryExhausted that it has too little
    now_s               a clock that only moves forward
    """

    def __init__(self, free_memory_bytes: Callable[[], int], now_s: Callable[[], float] = perf_counter) -> None:
        self._free_memory_bytes = free_memory_bytes
        self._now_s = now_s

    def find(self, model: ServedModel, most: int) -> int:
        """Return a size from 1 to ``most``: 8, 16, 32 and so on, or less where memory or ``most`` ask for it.

        Every size is run a few times on zeros of the contract's largest shapes, after a first time that compiles.

        Raises
        ------
        MemoryExhausted   the host has too little memory for a single item
        """
        best, best_rate = min(_FIRST, most), 0.0
        while best_rate == 0.0:
            try:
                best_rate = self._items_per_s(model, best)
            except MemoryExhausted:
                if best == 1:
                    raise
                best //= 2
        return self._doubled(model, best, best_rate, most)

    def _doubled(self, model: ServedModel, best: int, best_rate: float, most: int) -> int:
        taken_bytes = 0
        while best * 2 <= most:
            before_bytes = self._free_memory_bytes()
            if before_bytes < _MARGIN * taken_bytes:
                return best
            try:
                rate = self._items_per_s(model, best * 2)
            except MemoryExhausted:
                return best
            taken_bytes = max(0, before_bytes - self._free_memory_bytes())
            if rate < best_rate * _WORTH_IT:
                return best
            best, best_rate = best * 2, rate
        return best

    def _items_per_s(self, model: ServedModel, rows: int) -> float:
        batch = largest_batch(model.contract, rows)
        model.interpreter.run(batch)
        start_s, runs = self._now_s(), 0
        while runs < _RUNS and (runs == 0 or self._now_s() - start_s < _ENOUGH_S):
            model.interpreter.run(batch)
            runs += 1
        return rows * runs / max(self._now_s() - start_s, 1e-9)
