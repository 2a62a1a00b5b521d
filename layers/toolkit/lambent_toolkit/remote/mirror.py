"""An unfinished training's checkpoints and logs in S3, so that another machine goes on with it."""

from __future__ import annotations

from pathlib import Path

from lambent.ports import ObjectStore
from lambent_toolkit.modelkit.training import CHECKPOINTS_FOLDER, LOGS_FOLDER
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks

_FOLDERS = (CHECKPOINTS_FOLDER, LOGS_FOLDER)
_BINARY = "application/octet-stream"


class Mirror:
    """Keeps a prefix as the working folder's checkpoints and logs are.

    Parameters
    ----------
    store, prefix   the prefix ends with "/"
    folder          the working folder
    """

    def __init__(self, store: ObjectStore, prefix: str, folder: Path) -> None:
        self._store, self._prefix, self._folder = store, prefix, folder
        self._kept: dict[str, tuple[int, int]] = {}

    def restore(self) -> None:
        """Bring back what an earlier attempt kept; raises FolderNotWritable, Unavailable."""
        for found in self._store.listing(self._prefix):
            name = found.key.removeprefix(self._prefix)
            path = self._folder / name
            with telling_of_full_disks(self._folder):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._store.read(found.key).body)
            self._kept[name] = _state(path)

    def save(self) -> None:
        """Store what has changed, then remove what is gone: a kill in between leaves too much, never too little.

        Raises
        ------
        Unavailable
        """
        present = {path.relative_to(self._folder).as_posix(): path for path in self._paths()}
        for name, path in present.items():
            if self._kept.get(name) != (state := _state(path)):
                self._store.write(self._prefix + name, path.read_bytes(), content_type=_BINARY)
                self._kept[name] = state
        for name in self._kept.keys() - present.keys():
            self._store.delete(self._prefix + name)
            del self._kept[name]

    def _paths(self) -> list[Path]:
        found = (path for name in _FOLDERS for path in (self._folder / name).rglob("*"))
        return [path for path in sorted(found) if path.is_file()]


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
