"""S3's events of the storage process: moto's, with the sequencer that tells the order of one key's events."""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

from moto.s3 import notifications


class Sequencers:
    """Numbers that only grow, as hexadecimal texts of one length; they go on where an earlier process has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        """Return the next one."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:016X}"


def order_object_events() -> None:
    """Give each event of S3 that goes to a queue, a topic or a function its sequencer, which moto leaves out."""
    make, sequencers = notifications._get_s3_event, Sequencers()  # noqa: SLF001 - the only place where they are made

    @functools.wraps(make)
    def make_in_order(*args: Any, **kwargs: Any) -> dict[str, list[dict[str, Any]]]:
        event = make(*args, **kwargs)
        for record in event["Records"]:
            record["s3"]["object"]["sequencer"] = sequencers.next()
        return event

    notifications._get_s3_event = make_in_order  # noqa: SLF001
