"""Results of a batch on the disk of whoever asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

from lambent_toolkit.jobs.client import JobsClient, Json
from lambent_toolkit.modelkit.errors import ServiceUnreachable
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks

_PAUSE_S = 1.0


def result_lines(
    client: JobsClient, job_id: str, *, is_followed: bool, pause: Callable[[float], None] = sleep
) -> Iterator[bytes]:
    """Yield a batch's results as JSON Lines, whole lines at a time, in the order of the items.

    Parameters
    ----------
    is_followed   whether to wait for the end of a job that runs; else what there is by now is all
    """
    cursor: str | None = None
    while True:
        body, cursor = client.lines(job_id, cursor)
        if body:
            yield body
        if cursor is None or (not body and not is_followed):
            return
        if not body:
            pause(_PAUSE_S)


def save_parts(client: JobsClient, job_id: str, folder: Path) -> Iterator[tuple[Path, Json]]:
    """Write the finished parts into a folder as they are stored, and yield each; one that is there already stays.

    Raises
    ------
    FolderNotWritable    the disk is full, or the folder may not be written
    ServiceUnreachable   a part could not be read, or came with other bytes than the ledger says
    """
    with telling_of_full_disks(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for part in client.parts(job_id):
        path = folder / Path(urlsplit(part["url"]).path).name
        if not path.exists():
            _save(client, part, path)
        yield path, part


def _save(client: JobsClient, part: Json, path: Path) -> None:
    draft, hashed = path.with_name(f".{path.name}.draft"), sha256()
    try:
        with telling_of_full_disks(path.parent):
            with draft.open("wb") as file:
                for piece in client.download(part["url"]):
                    file.write(piece)
                    hashed.update(piece)
            if part["sha256"] not in (None, hashed.hexdigest()):
                raise ServiceUnreachable(f"{path.name} came damaged: its sha256 is not the ledger's; try again.")
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
