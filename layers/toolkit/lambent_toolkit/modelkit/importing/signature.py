"""What a model takes and gives, read from the model itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lambent.contracts.model import Datatype, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.domain.model import TFLITE_FILE
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ServingRefused
from lambent_toolkit.modelkit.serving_process import run_program, serving_layers

if TYPE_CHECKING:
    import keras

PROGRAM = Path(__file__).with_name("signature_program.py")
_TIMEOUT_S = 120.0
_NAME_CHARACTERS = 60  # of a contract's 64, four for a number behind
_DATATYPE_BY_DTYPE: dict[str, Datatype] = {dtype.name: name for name, dtype in DTYPE_BY_DATATYPE.items()}


@dataclass(frozen=True)
class Quantized:
    """How a number is kept in a .tflite file: ``real = (kept - zero_point) * scale``; ``datatype`` is of the kept."""

    datatype: Datatype
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Signature:
    """The tensors of a model.

    Parameters
    ----------
    inputs, outputs   -1 is a free dimension; a number that is quantized in the file is FP32 here
    quantized         tensor name → how the file keeps it
    is_named          whether a contract must use these names: a .keras file goes by the order, and its .tflite file
                      takes the contract's names
    activation        of the last layer, where it is known
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    quantized: dict[str, Quantized] = field(default_factory=dict)
    is_named: bool = True
    activation: str | None = None


def tflite_signature(model: Path) -> Signature:
    """Read a .tflite file where it will be served: in a process of the layers, which it may crash without harm.

    Raises
    ------
    ServingRefused       the interpreter refused it: damaged, operators it has not, strings, no or several signatures
    ServingCheckFailed   the process died over it
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / TFLITE_FILE).write_bytes(model.read_bytes())
        run_program([str(folder)], python_path=serving_layers(), timeout_s=_TIMEOUT_S, program=PROGRAM)
        answer = json.loads((folder / "signature.json").read_text())
    if "refused" in answer:
        raise ServingRefused(**answer["refused"])
    specs = {side: tuple(_spec(each) for each in answer[side]) for side in ("inputs", "outputs")}
    kept = {each["name"]: each["quantized"] for side in specs for each in answer[side] if each["quantized"]}
    return Signature(specs["inputs"], specs["outputs"], {name: Quantized(**each) for name, each in kept.items()})


def keras_signature(model: keras.Model) -> Signature:
    """Return the tensors of a loaded Keras model, in its own order.

    Raises
    ------
    ForeignModelRefused   it was built without an Input, so that nobody knows what it takes
    """
    if not getattr(model, "inputs", None):
        raise ForeignModelRefused(
            "The Keras model does not say what it takes: build it with keras.Input, or call it once before saving."
        )
    activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", None)
    return Signature(_keras_specs(model.inputs), _keras_specs(model.outputs), is_named=False, activation=activation)


def datatype_of(dtype: str, name: str, *, is_output: bool = False) -> Datatype:
    """Return the contract's word for a NumPy dtype's name; raises ForeignModelRefused."""
    datatype = _DATATYPE_BY_DTYPE.get(dtype)
    if datatype is not None:
        return datatype
    if dtype != "string":
        raise ForeignModelRefused(
            f"Tensor {name} holds {dtype}, which no contract has a datatype for: cast it to float32 in the model."
        )
    if is_output:
        raise ForeignModelRefused(
            f"Tensor {name} answers strings, such as the names of classes: export the scores that they are chosen by, "
            "and name the labels in the contract (--labels)."
        )
    raise ForeignModelRefused(
        f"Tensor {name} takes strings, which are texts or the bytes of pictures: export the part behind their "
        "decoding, which takes numbers, and name what comes in the contract (preprocessing text or image)."
    )


def _keras_specs(tensors: list[Any]) -> tuple[TensorSpec, ...]:
    specs: list[TensorSpec] = []
    for tensor in tensors:
        # The layer's name is what its maker gave; the tensor's own counts the tensors of the process.
        name = tensor._keras_history.operation.name[:_NAME_CHARACTERS]  # noqa: SLF001 - there is no public way
        is_taken = name in {spec.name for spec in specs}
        specs.append(
            TensorSpec(
                name=f"{name}_{len(specs)}" if is_taken else name,
                # Every .tflite file is made to compute in 32-bit floats, see `convertible`.
                datatype="FP32" if "float" in str(tensor.dtype) else datatype_of(str(tensor.dtype), name),
                shape=tuple(-1 if dim is None else int(dim) for dim in tensor.shape),
            )
        )
    return tuple(specs)


def _spec(found: dict[str, Any]) -> TensorSpec:
    return TensorSpec(name=found["name"], datatype=found["datatype"], shape=tuple(found["shape"]))
