"""Interpreter on Keras 3, for the GPU lane; never imported on Lambda."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# TensorFlow's start-up chatter would bury the worker's own log lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

from lambent.adapters.keras_archive import check_keras_archive
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import KERAS_FILE
from lambent.errors import ModelContractMismatch, ModelLoadFailed


class KerasInterpreterLoader:
    """Loads .keras files that hold numbers and names only, see `check_keras_archive`; safe mode is the second wall."""

    file = KERAS_FILE

    def load(self, model: Path, contract: ModelContract) -> KerasInterpreter:
        """Load a verified file; raises ModelFormatRefused, ModelLoadFailed, ModelContractMismatch."""
        check_keras_archive(model)
        with TemporaryDirectory() as folder:
            # Keras goes by the ending of the name, which a scratch file does not have.
            path = Path(folder) / KERAS_FILE
            path.symlink_to(model.absolute())
            try:
                loaded = keras.models.load_model(path, compile=False, safe_mode=True)
            except (ValueError, TypeError, OSError, KeyError) as exc:
                raise ModelLoadFailed("Keras refused the model file.") from exc
        return KerasInterpreter(loaded, contract)


class KerasInterpreter:
    """One loaded Keras model."""

    platform = "keras"

    def __init__(self, model: Any, contract: ModelContract) -> None:
        if len(model.inputs) != len(contract.inputs) or len(model.outputs) != len(contract.outputs):
            raise ModelContractMismatch(
                f"The Keras model has {len(model.inputs)} inputs and {len(model.outputs)} outputs, the contract "
                f"declares {len(contract.inputs)} and {len(contract.outputs)}."
            )
        self._model = model
        self._contract = contract

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter. Inputs and outputs keep the contract's order."""
        arrays = [inputs[spec.name] for spec in self._contract.inputs]
        answer = self._model.predict_on_batch(arrays if len(arrays) > 1 else arrays[0])
        outputs = list(answer) if isinstance(answer, list | tuple) else [answer]
        return {
            spec.name: np.asarray(output, dtype=DTYPE_BY_DATATYPE[spec.datatype])
            for spec, output in zip(self._contract.outputs, outputs, strict=True)
        }
