"""The smallest inputs that a model answers, found by trying them and written into its contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np

from lambent.contracts.model import ModelContract, TensorSpec
from lambent.contracts.tensor import Array
from lambent.domain.lengths import free_dimensions
from lambent.domain.model import CONTRACT_FILE, KERAS_FILE, TFLITE_FILE
from lambent.errors import ModelLoadFailed
from lambent.ports import Interpreter
from lambent_toolkit.modelkit.errors import ServingRefused
from lambent_toolkit.modelkit.importing.lengths_program import NOT_BY_INPUTS, min_shapes
from lambent_toolkit.modelkit.serving_process import run_program, serving_layers
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

PROGRAM = Path(__file__).with_name("lengths_program.py")
# Of lengths that never end there may be several, of which each costs what the program waits for one.
_TIMEOUT_S = 600.0


class Found(NamedTuple):
    """What was found.

    Parameters
    ----------
    smallest   smallest shape by input; None where no length is answered
    end        what became of the last length that was tried, then
    """

    smallest: Mapping[str, tuple[int, ...]] | None
    end: str = ""


def tflite_min_shapes(model: bytes, contract: ModelContract) -> Found:
    """Return what of a .tflite file the serving interpreter answers.

    Raises
    ------
    ServingRefused       it refuses the file
    ServingCheckFailed   the process died, or did not come to an end
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / TFLITE_FILE).write_bytes(model)
        (folder / CONTRACT_FILE).write_bytes(msgspec.json.encode(contract))
        run_program([name], python_path=serving_layers(), timeout_s=_TIMEOUT_S, program=PROGRAM)
        figures: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    if "refused" in figures:
        raise ServingRefused(**figures["refused"])
    smallest = figures["min_shapes"]
    return Found(None if smallest is None else {name: tuple(shape) for name, shape in smallest.items()}, figures["end"])


def keras_min_shapes(model: bytes, contract: ModelContract) -> Found:
    """Return what of a .keras file the batch worker's own adapter answers; raises BrokenArtifact."""
    with quiet(), TemporaryDirectory() as name:
        path = Path(name) / KERAS_FILE
        path.write_bytes(model)
        from lambent.adapters.keras_model import KerasInterpreterLoader  # imports TensorFlow

        interpreter = KerasInterpreterLoader().load(path, contract)
        return Found(min_shapes(contract, lambda inputs: _is_answered(interpreter, inputs)))


def with_min_shapes(files: Mapping[str, bytes], contract: ModelContract) -> ModelContract:
    """Return a contract with the smallest inputs that a model's file answers, where callers choose their size at all.

    What the contract says itself stays where it is more: its owner may want more, or the other lane need it.

    Parameters
    ----------
    files   model.keras, or else model.tflite

    Raises
    ------
    ServingRefused   by the code ``model_load_failed``: the serving interpreter survives no length, or refuses the file
    ServingCheckFailed
    """
    if not free_dimensions(contract):
        return contract
    if KERAS_FILE in files:
        found = keras_min_shapes(files[KERAS_FILE], contract)
    else:
        found = tflite_min_shapes(files[TFLITE_FILE], contract)
        # What answers no finite numbers is told by who looks at them.
        if found.smallest is None and found.end != NOT_BY_INPUTS:
            raise no_length_answered(found)
    if found.smallest is None:
        return contract
    smallest = found.smallest
    return msgspec.structs.replace(
        contract, inputs=tuple(_at_least(spec, smallest.get(spec.name)) for spec in contract.inputs)
    )


def no_length_answered(found: Found) -> ServingRefused:
    """Return the error of a model that answers inputs of no length."""
    return ServingRefused(
        ModelLoadFailed.code,
        f"The interpreter answers inputs of no length, from 1 to the longest that a request can hold: {found.end}.",
    )


def _at_least(spec: TensorSpec, smallest: tuple[int, ...] | None) -> TensorSpec:
    if smallest is None:
        return spec
    declared = spec.min_shape or smallest
    return msgspec.structs.replace(spec, min_shape=tuple(map(max, declared, smallest)))


def _is_answered(interpreter: Interpreter, inputs: dict[str, Array]) -> bool:
    try:
        outputs = interpreter.run(inputs)
    except Exception:  # noqa: BLE001 - the framework raises whatever it likes for a shape that a layer cannot take
        return False
    return all(np.isfinite(array).all() for array in outputs.values() if array.dtype.kind == "f")
