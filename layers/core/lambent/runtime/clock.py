"""The real clock."""

from __future__ import annotations

import time

from lambent.domain.timestamps import to_timestamp


class SystemClock:
    """UTC from the operating system."""

    def now(self) -> str:
        """Return the time as ISO 8601 with milliseconds and Z."""
        return to_timestamp(self.epoch_s())

    def epoch_s(self) -> float:
        """Return seconds since 1970."""
        return time.time()
