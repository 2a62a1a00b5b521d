"""A local stack of one's own, in a temporary folder and on free ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lambent_toolkit.sandbox import LocalStack, StackInfo


def _unsaid(_text: str) -> None:
    """Leave out what takes time."""


@contextmanager
def own_stack(say: Callable[[str], None] = _unsaid, **options: Any) -> Iterator[StackInfo]:
    """Run a stack that nobody else uses, and end it whatever happens.

    Parameters
    ----------
    say       is told in one line what takes time
    options   further fields of `StackOptions`

    Raises
    ------
    SandboxError   it cannot start
    """
    with TemporaryDirectory(prefix="lambent-") as folder, LocalStack(Path(folder), say=say, **options) as stack:
        yield stack.info
