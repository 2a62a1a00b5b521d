"""Items that end the process which works on them, in six ways; a model or a decoder meets them by their shade."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

# No shade of `stored_world.put_manifest`, whose pictures are multiples of 16.
SHADE = 7
KINDS = ("exception", "SIGSEGV", "SIGFPE", "SIGKILL", "endless", "exit")
# What an error says of each kind, from a process that was forked for it and from a worker.
ENDS = {
    "exception": {"ended with KeyError", "ended with status 1"},
    "SIGSEGV": {"died of SIGSEGV"},
    "SIGFPE": {"died of SIGFPE"},
    "SIGKILL": {"died of SIGKILL"},
    "exit": {"ended with status 0"},
}


def is_poisonous(pictures: Any) -> bool:
    """Return whether one of the model's pictures is of the poisonous shade."""
    return bool(np.any(np.isclose(np.asarray(pictures) * 255, SHADE, atol=0.4)))


def act(kind: str, note: Path) -> None:
    """Do what this kind does; ``note`` is made before an endless wait, by which a test's clock may leap."""
    faulthandler.disable()  # which would tell the log of a crash that is meant
    if kind == "exception":
        raise KeyError(kind)
    if kind == "exit":
        os._exit(0)
    if kind == "endless":
        note.touch()
        Event().wait()
    if kind == "container":
        os.kill(os.getppid(), signal.SIGKILL)
        Event().wait()
    os.kill(os.getpid(), signal.Signals[kind])
    Event().wait()  # another thread may be given the signal: this one must not get on meanwhile


class Poisoned:
    """A loader of interpreters, and a maker of preprocessors, that a poisonous item ends.

    ``where`` is "model" or "decoder".
    """

    def __init__(self, loader: Any, kind: str, where: str, note: Path) -> None:
        self._loader, self._kind, self._where, self._note = loader, kind, where, note
        self.file = loader.file

    def load(self, *args: Any) -> Any:
        """Return an interpreter that does not survive a batch with a poisonous row."""
        interpreter = self._loader.load(*args)
        if self._where == "model":
            interpreter.run = self._wrapped(interpreter.run, lambda inputs: inputs["image"])
        return interpreter

    def decoder(self, preprocessor: Any) -> Any:
        """Return a preprocessor that does not survive a poisonous item."""
        if self._where == "decoder":
            prepare = preprocessor.prepare

            def prepared(item: Any) -> Any:
                arrays = prepare(item)
                return self._wrapped(lambda _: arrays, lambda _: arrays["image"])(item)

            preprocessor.prepare = prepared
        return preprocessor

    def _wrapped(self, run: Callable[[Any], Any], picture: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def wrapped(given: Any) -> Any:
            if is_poisonous(picture(given)):
                act(self._kind, self._note)
            return run(given)

        return wrapped
