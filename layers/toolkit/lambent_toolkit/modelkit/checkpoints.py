"""Checkpoints of an unfinished training: each epoch's whole state in one file, so that resuming is exact.

A file holds every variable of the model (weights and the state of its random generators), every variable of the
optimizer, and what was measured so far. Keras's own BackupAndRestore keeps neither the order of the batches nor what
early stopping has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np

from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.training_identity import TrainingIdentity
from lambent_toolkit.modelkit.training_progress import EpochFigures
from lambent_toolkit.modelkit.whole_files import write_whole


@dataclass(frozen=True)
class ModelState:
    """All variables, in the order in which Keras lists them."""

    model: list[Array]
    optimizer: list[Array]


@dataclass(frozen=True)
class Checkpoint:
    """A training after some epochs."""

    identity: TrainingIdentity
    figures: list[EpochFigures]
    state: ModelState


class _Record(msgspec.Struct, frozen=True):
    identity: TrainingIdentity
    figures: list[EpochFigures]


class Checkpoints:
    """The folder of a training's checkpoints.

    Parameters
    ----------
    folder   created with the first checkpoint
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def newest(self) -> Checkpoint | None:
        """Return the last whole checkpoint; a damaged one is passed over, its epoch is trained again."""
        for path in sorted(self._paths(), reverse=True):
            try:
                return _decode(path.read_bytes())
            except (BadZipFile, KeyError, ValueError, EOFError, msgspec.DecodeError):
                continue
        return None

    def write(self, checkpoint: Checkpoint) -> None:
        """Write an epoch's checkpoint; raises FolderNotWritable."""
        write_whole(self._path(checkpoint.figures[-1].epoch), _encode(checkpoint))

    def read(self, epoch: int) -> Checkpoint:
        """Return the checkpoint of an epoch that is kept."""
        return _decode(self._path(epoch).read_bytes())

    def keep(self, epochs: Iterable[int]) -> None:
        """Remove the checkpoints of all other epochs."""
        kept = {self._path(epoch) for epoch in epochs}
        for path in self._paths():
            if path not in kept:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all checkpoints."""
        self.keep(())
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _paths(self) -> list[Path]:
        return list(self.folder.glob("epoch-*.npz"))

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.npz"


def _encode(checkpoint: Checkpoint) -> bytes:
    record = msgspec.json.encode(_Record(checkpoint.identity, checkpoint.figures))
    arrays = {"record": np.frombuffer(record, np.uint8)}
    arrays |= {f"model_{index:05d}": array for index, array in enumerate(checkpoint.state.model)}
    arrays |= {f"optimizer_{index:05d}": array for index, array in enumerate(checkpoint.state.optimizer)}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _decode(body: bytes) -> Checkpoint:
    with np.load(BytesIO(body), allow_pickle=False) as file:
        record = msgspec.json.decode(file["record"].tobytes(), type=_Record)
        state = ModelState(*([file[name] for name in sorted(file) if name.startswith(side)] for side in _SIDES))
    return Checkpoint(record.identity, record.figures, state)


_SIDES = ("model_", "optimizer_")
