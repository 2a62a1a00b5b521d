"""Publish a version and be killed before the n-th write: dying_publisher.py STATE_DIR NAME N.

SIGKILL, as by the kernel that runs out of memory: nothing is cleaned up.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from published import shade_contract, shade_files

from lambent.adapters.s3 import S3ObjectStore
from lambent.runtime.clock import SystemClock
from lambent.services.publish import publish_version
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.sandbox import StackInfo

WRITES = ("write_once", "add_version")


class Dying:
    """A store or registry of which the n-th write of all is never made."""

    made = 0

    def __init__(self, inner: Any, fatal: int) -> None:
        self._inner = inner
        self._fatal = fatal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._counting(found) if name in WRITES else found

    def _counting(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            Dying.made += 1
            if Dying.made == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*arguments, **more)

        return counted


def main(state_dir: str, name: str, fatal: str) -> None:
    """Publish until death."""
    stack = StackInfo.load(Path(state_dir))
    store = S3ObjectStore(stack.client("s3"), stack.buckets["models"], what="model store")
    declared = shade_contract(name, ("killed-dark", "killed-bright"))
    publish_version(
        shade_files(declared),
        declared,
        store=Dying(store, int(fatal)),
        registry=Dying(Publisher(stack).registry, int(fatal)),
        clock=SystemClock(),
    )
    print(f"made {Dying.made} writes")


if __name__ == "__main__":
    main(*sys.argv[1:])
