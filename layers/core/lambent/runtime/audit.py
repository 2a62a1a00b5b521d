"""One line in the log for every version that is refused: what an operator searches and alarms on."""

from __future__ import annotations

import time

import orjson

from lambent.domain.model import ModelRef
from lambent.domain.timestamps import to_timestamp
from lambent.errors import BrokenArtifact

MESSAGE = "model version refused"


class AuditLog:
    """Writes to stdout, which is the log of a function as of the worker's container."""

    def refused(self, ref: ModelRef, error: BrokenArtifact) -> None:
        """Tell which version was refused, and why."""
        line = {
            "level": "WARNING",
            "message": MESSAGE,
            "timestamp": to_timestamp(time.time()),
            "service": "lambent",
            "audit": True,
            "model": str(ref),
            "code": error.code,
            "detail": error.detail,
            "limit": error.limit,
            "got": error.got,
        }
        print(orjson.dumps(line, default=str).decode(), flush=True)
