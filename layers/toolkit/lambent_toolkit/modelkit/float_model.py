"""The model before quantization, which every served file is held against."""

from __future__ import annotations

import os
import platform
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Protocol
from zipfile import ZipFile

import numpy as np

from lambent.adapters.tflite_signature import DEFAULT_SIGNATURE
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.contracts.throughput import KerasRate
from lambent.domain.model import KERAS_FILE, digest
from lambent.ports import Interpreter
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

_CHUNK_ROWS = 256
_RATED_ROWS = 32  # what the batch worker has by default
_RATED_S = 0.5


class FloatModel(Protocol):
    """A model of 32-bit floats in TensorFlow; ``name`` is what reports call it."""

    @property
    def name(self) -> str:
        """``keras`` or ``saved_model``."""
        ...

    @property
    def size_bytes(self) -> int:
        """Of the file it is kept in."""
        ...

    @property
    def sha256(self) -> str:
        """Of the file it is kept in."""
        ...

    def outputs(self, part: Prepared, contract: ModelContract) -> dict[str, Array]:
        """Return what it answers to a part's tensors: (n, …) by the contract's names."""
        ...

    def rate(self, part: Prepared, contract: ModelContract) -> KerasRate | None:
        """Return rows a second of what the GPU lane would run, here; None for what that lane does not run."""
        ...


class KerasFloat:
    """The bytes of a .keras file, run by the batch worker's own adapter."""

    name = "keras"

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.size_bytes = len(file)
        self.sha256 = digest(file)
        self._loaded: Interpreter | None = None

    def outputs(self, part: Prepared, contract: ModelContract) -> dict[str, Array]:
        """Return what Keras answers; raises BrokenArtifact."""
        with quiet():
            interpreter = self._interpreter(contract)
            if contract.inputs[0].shape[0] == -1:
                return dict(interpreter.run(part.tensors))
            rows = range(0, len(part), contract.inputs[0].shape[0])
            calls = [interpreter.run(_rows(part, row, contract.inputs[0].shape[0])) for row in rows]
            return {spec.name: np.concatenate([call[spec.name] for call in calls]) for spec in contract.outputs}

    def rate(self, part: Prepared, contract: ModelContract) -> KerasRate:
        """Return rows a second on ready tensors, a batch at a time for half a second; raises BrokenArtifact."""
        fixed = contract.inputs[0].shape[0]
        size = min(_RATED_ROWS, len(part)) if fixed == -1 else fixed
        batch = _rows(part, 0, size)
        with quiet():
            interpreter = self._interpreter(contract)
            interpreter.run(batch)  # traces the model for this shape
            done, start = 0, perf_counter()
            while (taken_s := perf_counter() - start) < _RATED_S:
                interpreter.run(batch)
                done += size
            return KerasRate(batch_size=size, rows_per_s=done / taken_s, **_keras_place())

    def _interpreter(self, contract: ModelContract) -> Interpreter:
        if self._loaded is None:
            from lambent.adapters.keras_model import KerasInterpreterLoader  # imports TensorFlow

            with TemporaryDirectory() as folder:
                path = Path(folder) / KERAS_FILE
                path.write_bytes(self.file)
                self._loaded = KerasInterpreterLoader().load(path, contract)
        return self._loaded


def _rows(part: Prepared, start: int, count: int) -> dict[str, Array]:
    return {name: array[start : start + count] for name, array in part.tensors.items()}


def _keras_place() -> dict[str, Any]:
    """Return what Keras runs on: its backend, and the GPU that TensorFlow sees or else the processor."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    processor = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    device = details.get("device_name", "GPU") if gpus else processor
    return {"backend": keras.config.backend(), "device": device, "is_gpu": bool(gpus)}


class SavedModelFloat:
    """A SavedModel as the zip that `lambent import` keeps, whose graph it has looked through."""

    name = "saved_model"

    def __init__(self, archive: bytes) -> None:
        self.archive = archive
        self.size_bytes = len(archive)
        self.sha256 = digest(archive)

    def unpack(self, folder: Path) -> None:
        """Write the SavedModel's files into a folder."""
        with ZipFile(BytesIO(self.archive)) as archive:
            archive.extractall(folder)

    def rate(self, part: Prepared, contract: ModelContract) -> None:
        """Return None: a SavedModel is not published, so that the version has no GPU lane."""

    def outputs(self, part: Prepared, contract: ModelContract) -> dict[str, Array]:
        """Return what the SavedModel's signature answers, some hundred rows at once."""
        with quiet(), TemporaryDirectory() as folder:
            import tensorflow as tf

            self.unpack(Path(folder))
            answer = tf.saved_model.load(folder).signatures[contract.signature or DEFAULT_SIGNATURE]
            size = _rows_a_call(answer, contract)
            chunks = []
            for start in range(0, len(part), size):
                rows = {
                    spec.name: tf.constant(
                        part.tensors[spec.name][start : start + size], DTYPE_BY_DATATYPE[spec.datatype]
                    )
                    for spec in contract.inputs
                }
                chunks.append(answer(**rows))
            return {
                spec.name: np.concatenate([chunk[spec.name].numpy() for chunk in chunks]) for spec in contract.outputs
            }


def _rows_a_call(signature: Any, contract: ModelContract) -> int:
    """Return how many rows a SavedModel takes at once: as many as it says, or its contract, or some hundred."""
    _, takes = signature.structured_input_signature
    said = [each.shape[0] for each in takes.values() if each.shape.rank and each.shape[0] is not None]
    declared = contract.inputs[0].shape[0]
    return int(said[0]) if said else (_CHUNK_ROWS if declared == -1 else declared)
