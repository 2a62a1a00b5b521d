"""TensorFlow without its chatter: shown only when something fails."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile

from lambent_toolkit.modelkit.errors import ModelkitError


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what TensorFlow writes to stderr, and print it only if the block raises what nobody foresaw.

    Some of it is written by C++ code to file descriptor 2 before TensorFlow's own log level applies, so the
    descriptor itself is turned away for the duration of the block, for the whole process.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    shown = os.dup(2)
    with TemporaryFile() as kept, warnings.catch_warnings():
        # tf.lite warns of its own calibrator's use of a deprecated interpreter.
        warnings.filterwarnings("ignore", module=r"tensorflow\..*")
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except (KeyboardInterrupt, ModelkitError):
            # The user's doing, or told in words of our own: the chatter explains nothing.
            _restore(shown)
            raise
        except BaseException:
            _restore(shown)
            kept.seek(0)
            with suppress(OSError):
                os.write(2, kept.read())
            raise
        else:
            _restore(shown)


def _restore(shown: int) -> None:
    sys.stderr.flush()
    os.dup2(shown, 2)
    os.close(shown)
