"""Checkpoints of an unfinished training: each epoch's whole state in one file, so that resuming is exact.

A training that is asked to stop leaves one more, in the midst of an epoch: it also holds what the epoch's metrics have
added up so far.

A file holds every variable of the model (weights and the state of its random generators), every variable of the
optimizer, and what was measured so far. Keras's own BackupAndRestore keeps neither the order of the batches nor what
early stopping has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
    """All variables, in the order in which Keras lists them; those of metrics within an epoch only."""

    model: list[Array]
    optimizer: list[Array]
    metrics: list[Array] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """A training after some epochs.

    Parameters
    ----------
    figures   of all epochs that are complete
    batches   of the epoch after them that are in ``state``; 0 between epochs
    phase     name of that epoch's phase, if it has begun
    """

    identity: TrainingIdentity
    figures: list[EpochFigures]
    state: ModelState
    batches: int = 0
    phase: str = ""


class _Record(msgspec.Struct, frozen=True):
    identity: TrainingIdentity
    figures: list[EpochFigures]
    batches: int = 0
    phase: str = ""


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
        for path in reversed(self._paths()):
            try:
                return _decode(path.read_bytes())
            except (BadZipFile, KeyError, ValueError, EOFError, msgspec.DecodeError):
                continue
        return None

    def write(self, checkpoint: Checkpoint) -> None:
        """Write an epoch's checkpoint, or the one in the midst of an epoch; raises FolderNotWritable."""
        path = self._path(checkpoint.figures[-1].epoch if checkpoint.figures else 0)
        # So that it sorts between the epoch before and the one that it is of.
        write_whole(path.with_stem(f"{path.stem}-begun") if checkpoint.batches else path, _encode(checkpoint))

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
        return sorted(self.folder.glob("epoch-*.npz"), key=lambda path: path.stem)

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.npz"


def _encode(checkpoint: Checkpoint) -> bytes:
    record = msgspec.json.encode(_Record(checkpoint.identity, checkpoint.figures, checkpoint.batches, checkpoint.phase))
    arrays = {"record": np.frombuffer(record, np.uint8)}
    arrays |= {f"model_{index:05d}": array for index, array in enumerate(checkpoint.state.model)}
    arrays |= {f"optimizer_{index:05d}": array for index, array in enumerate(checkpoint.state.optimizer)}
    arrays |= {f"metrics_{index:05d}": array for index, array in enumerate(checkpoint.state.metrics)}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _decode(body: bytes) -> Checkpoint:
    with np.load(BytesIO(body), allow_pickle=False) as file:
        record = msgspec.json.decode(file["record"].tobytes(), type=_Record)
        state = ModelState(*([file[name] for name in sorted(file) if name.startswith(side)] for side in _SIDES))
    return Checkpoint(record.identity, record.figures, state, record.batches, record.phase)


_SIDES = ("model_", "optimizer_", "metrics_")
