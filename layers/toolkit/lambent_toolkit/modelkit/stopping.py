"""A request to stop that is heeded between two batches, where a training's state is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Whether somebody has asked a training to stop: a signal's handler, on the main thread."""

    def __init__(self) -> None:
        self.is_asked = False
        self._is_heeded = False

    def ask(self) -> None:
        """Ask; raises KeyboardInterrupt at once where nobody looks: before the batches run, and after them."""
        self.is_asked = True
        if not self._is_heeded:
            raise KeyboardInterrupt

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Promise to look at ``is_asked`` soon, for as long as the block runs."""
        self._is_heeded = True
        try:
            yield
        finally:
            self._is_heeded = False
