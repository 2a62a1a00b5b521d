"""Work that its request does not wait for to the end: it goes on in the same environment after the answer.

Nothing can interrupt a model's native code, and what it has computed when a door closes would be lost. So requests are
worked on by a thread that is an extension of Lambda: the thread that was asked waits for it as long as its client can
wait, and answers something else then; Lambda leaves the environment at work, and gives it no other invocation, until
the thread asks for the next event. Where there is no Extensions API the thread works on all the same, as long as its
process is not frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar, cast

from lambent.adapters.lambda_extension import ExtensionFailed, LambdaExtension
from lambent.runtime.settings import extensions_address

T = TypeVar("T")


@dataclass(frozen=True)
class Door:
    """What a request is worked on by, and how long it can be waited for.

    Parameters
    ----------
    work
    wait_s    until a request must be answered
    left_s    tells what is left of the invocation, in which work goes on after the answer
    """

    work: HeldWork
    wait_s: float
    left_s: Callable[[], float]


class Piece(Generic[T]):
    """A piece of work that is done by another thread."""

    def __init__(self, act: Callable[[], T]) -> None:
        self._act = act
        self._value: T | None = None
        self._error: BaseException | None = None
        self._is_done = self._is_left = False
        self._lock, self._ended = Lock(), Lock()
        self._ended.acquire()
        self._after: SimpleQueue[Callable[[Callable[[], T]], object] | None] = SimpleQueue()

    def value(self) -> T:
        """Return what came of it, or raise it."""
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def wait(self, wait_s: float) -> bool:
        """Return whether it ends in time; if not, it is left: `go_on` must follow, and the work waits for that."""
        if self._ended.acquire(timeout=wait_s):
            return True
        with self._lock:
            self._is_left = not self._is_done
        return not self._is_left

    def go_on(self, after: Callable[[Callable[[], T]], object] | None) -> None:
        """Say what is to be done once it has ended, with a function that returns what came of it or raises it."""
        self._after.put(after)

    def abandon(self) -> bool:
        """Return whether it has not ended, in which case nothing is done after it any more."""
        with self._lock:
            is_running, self._is_done = not self._is_done, True
        return is_running

    def work(self) -> None:
        """Do it, and what comes after."""
        try:
            self._value = self._act()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that asked, or by what comes after
            self._error = error
        with self._lock:
            was_abandoned, self._is_done = self._is_done, True
        if self._is_left and not was_abandoned:
            after = self._after.get()
            if after is not None:
                after(self.value)
        self._ended.release()


class HeldWork:
    """One thread that does the work of one invocation after the other.

    Parameters
    ----------
    address : str | None                where Lambda's Extensions API is, None without one
    on_failure                          told why there is no extension (any more)
    """

    def __init__(self, address: str | None, *, on_failure: Callable[[ExtensionFailed], object]) -> None:
        self._on_failure = on_failure
        self._is_ready = Event()
        self._is_handed = False
        self._begin_thread(address)

    def await_ready(self) -> None:
        """Wait until the extension is registered, or cannot be: Lambda takes none after the runtime's first request."""
        self._is_ready.wait()

    @contextmanager
    def invocation(self) -> Iterator[None]:
        """Let the thread take part in an invocation, in which `begin` is called at most once."""
        self._is_handed = False
        try:
            yield
        finally:
            if not self._is_handed:
                self._handed.put(None)

    def begin(self, act: Callable[[], T]) -> Piece[T]:
        """Begin a piece of work, which goes on whether or not it is waited for."""
        piece = Piece(act)
        self._is_handed = True
        if not self._thread.is_alive():
            # In a fork of the process, which has one thread only; Lambda knows the first process's.
            self._begin_thread(None)
        self._handed.put(piece)
        return piece

    def _begin_thread(self, address: str | None) -> None:
        self._handed: SimpleQueue[Piece[Any] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, args=[address], name="work", daemon=True)
        self._thread.start()

    def _serve(self, address: str | None) -> None:
        extension = self._register(address)
        self._is_ready.set()
        while True:
            piece = self._handed.get()
            if piece is not None:
                piece.work()
            extension = self._next(extension)

    def _register(self, address: str | None) -> LambdaExtension | None:
        if address is None:
            return None
        try:
            extension = LambdaExtension(address)
            extension.ask()
        except ExtensionFailed as failure:
            self._on_failure(failure)
            return None
        return extension

    def _next(self, extension: LambdaExtension | None) -> LambdaExtension | None:
        """Take the event of the invocation that has ended, and ask for the next one."""
        if extension is None:
            return None
        try:
            extension.take()
            extension.ask()
        except ExtensionFailed as failure:
            self._on_failure(failure)
            return None
        return extension


def begin_held_work() -> HeldWork:
    """Return the process's thread; to be called while Lambda starts the function."""
    return HeldWork(extensions_address(), on_failure=_tell)


def _tell(failure: ExtensionFailed) -> None:
    from lambent.runtime.observability import logger

    logger.warning("no work after answers", detail=str(failure))
