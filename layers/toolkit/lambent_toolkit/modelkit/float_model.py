"""The model before quantization, which every served file is held against."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from zipfile import ZipFile

import numpy as np

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import KERAS_FILE, digest
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

_CHUNK_ROWS = 256


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


class KerasFloat:
    """The bytes of a .keras file, run by the batch worker's own adapter."""

    name = "keras"

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.size_bytes = len(file)
        self.sha256 = digest(file)

    def outputs(self, part: Prepared, contract: ModelContract) -> dict[str, Array]:
        """Return what Keras answers; raises BrokenArtifact."""
        with quiet(), TemporaryDirectory() as folder:
            from lambent.adapters.keras_model import KerasInterpreterLoader  # imports TensorFlow

            path = Path(folder) / KERAS_FILE
            path.write_bytes(self.file)
            return dict(KerasInterpreterLoader().load(path, contract).run(part.tensors))


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

    def outputs(self, part: Prepared, contract: ModelContract) -> dict[str, Array]:
        """Return what the SavedModel's signature answers, some hundred rows at once."""
        with quiet(), TemporaryDirectory() as folder:
            import tensorflow as tf

            self.unpack(Path(folder))
            answer = tf.saved_model.load(folder).signatures["serving_default"]
            chunks = []
            for start in range(0, len(part), _CHUNK_ROWS):
                rows = {
                    spec.name: tf.constant(
                        part.tensors[spec.name][start : start + _CHUNK_ROWS], DTYPE_BY_DATATYPE[spec.datatype]
                    )
                    for spec in contract.inputs
                }
                chunks.append(answer(**rows))
            return {
                spec.name: np.concatenate([chunk[spec.name].numpy() for chunk in chunks]) for spec in contract.outputs
            }
