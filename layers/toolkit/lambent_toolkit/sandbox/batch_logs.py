"""CloudWatch Logs' GetLogEvents, of the files that the attempts of AWS Batch jobs write to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 20
_FORWARD = "f/"


class NoSuchStream(Exception):
    """There is no such log stream; AWS calls it ResourceNotFoundException."""


def get_log_events(folder: Path, payload: dict[str, Any]) -> dict[str, Any]:
    """Answer one call; a line that is not complete yet waits for its end.

    Parameters
    ----------
    folder    of all logs; stream ``batch/…`` is the file ``batch/….log`` there
    payload   logStreamName; nextToken, which here is the place in the file

    Raises
    ------
    NoSuchStream
    """
    path = (folder / f"{payload.get('logStreamName')}.log").resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise NoSuchStream("The specified log stream does not exist.")
    place = int(str(payload.get("nextToken") or "").removeprefix(_FORWARD) or 0)
    with path.open("rb") as file:
        file.seek(place)
        whole, newline, _ = file.read(MAX_BYTES).rpartition(b"\n")
    at_ms = int(path.stat().st_mtime * 1000)
    lines = whole.decode("utf-8", "replace").split("\n") if newline else []
    return {
        "events": [{"timestamp": at_ms, "ingestionTime": at_ms, "message": line} for line in lines],
        "nextForwardToken": f"{_FORWARD}{place + len(whole) + len(newline)}",
        "nextBackwardToken": f"b/{place}",
    }
