"""Interpreter on Keras 3, for the GPU lane; never imported on Lambda.

``KERAS_BACKEND`` chooses between TensorFlow and JAX; what differs between them is in `keras_backends`.
"""

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
from lambent.adapters.keras_backends import compile_model, has_gpu
from lambent.adapters.keras_precision import agree, in_half_precision
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import KERAS_FILE
from lambent.errors import ModelContractMismatch, ModelLoadFailed


class KerasInterpreterLoader:
    """Loads .keras files that hold numbers and names only, see `check_keras_archive`; safe mode is the second wall.

    On a GPU a model computes in half precision where its answers stay within half of the contract's golden tolerance.
    """

    file = KERAS_FILE

    def load(self, model: Path, contract: ModelContract) -> KerasInterpreter:
        """Load a verified file; raises ModelFormatRefused, ModelLoadFailed, ModelContractMismatch, MemoryExhausted."""
        check_keras_archive(model)
        with TemporaryDirectory() as folder:
            # Keras goes by the ending of the name, which a scratch file does not have.
            path = Path(folder) / KERAS_FILE
            path.symlink_to(model.absolute())
            try:
                loaded = keras.models.load_model(path, compile=False, safe_mode=True)
            except (ValueError, TypeError, OSError, KeyError) as exc:
                raise ModelLoadFailed("Keras refused the model file.") from exc
        interpreter = KerasInterpreter(loaded, contract)
        if not has_gpu():
            return interpreter
        half = KerasInterpreter(in_half_precision(loaded), contract)
        return half if agree(interpreter, half, contract) else interpreter


class KerasInterpreter:
    """One loaded Keras model. It is compiled anew for every shape of its inputs, which takes seconds."""

    platform = "keras"

    def __init__(self, model: Any, contract: ModelContract) -> None:
        if len(model.inputs) != len(contract.inputs) or len(model.outputs) != len(contract.outputs):
            raise ModelContractMismatch(
                f"The Keras model has {len(model.inputs)} inputs and {len(model.outputs)} outputs, the contract "
                f"declares {len(contract.inputs)} and {len(contract.outputs)}."
            )
        self._call = compile_model(model)
        self._contract = contract

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run a batch; see ports.Interpreter. Inputs and outputs keep the contract's order.

        Raises
        ------
        MemoryExhausted   the batch is too large for this host or its accelerator
        """
        outputs = self._call([inputs[spec.name] for spec in self._contract.inputs])
        return {
            spec.name: np.asarray(output, dtype=DTYPE_BY_DATATYPE[spec.datatype])
            for spec, output in zip(self._contract.outputs, outputs, strict=True)
        }
