"""Event files for TensorBoard, under the names that Keras's own callback uses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from lambent_toolkit.modelkit.training_progress import EpochFigures


class EventLogs:
    """The folder that `tensorboard --logdir` is pointed to; holds the runs ``train`` and ``validation``.

    Keras's callback would open new files with every resumed training before its first epoch is kept; this one writes
    an epoch when its checkpoint is on the disk, so no epoch is told twice. `tf.summary.scalar` and Keras's callback
    need TensorBoard itself, which only those need who look at the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def clear(self) -> None:
        """Remove the events of an earlier training."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, figures: EpochFigures) -> None:
        """Write an epoch's figures, and have them on the disk."""
        import tensorflow as tf

        runs = {"train": figures.train | {"learning_rate": figures.learning_rate}, "validation": figures.validation}
        for run, numbers in runs.items():
            if run not in self._writers:
                self._writers[run] = tf.summary.create_file_writer(str(self.folder / run))
            with self._writers[run].as_default():
                for name, number in numbers.items():
                    # Keras's callback counts epochs from 0.
                    tf.summary.write(f"epoch_{name}", np.float32(number), figures.epoch - 1, _scalar_metadata())
            self._writers[run].flush()


def _scalar_metadata() -> Any:
    """Return what makes TensorBoard show a tensor as a curve (tensorboard/plugins/scalar/metadata.py)."""
    import tensorflow as tf

    metadata = tf.compat.v1.SummaryMetadata(data_class="DATA_CLASS_SCALAR")
    metadata.plugin_data.plugin_name = "scalars"
    return metadata
