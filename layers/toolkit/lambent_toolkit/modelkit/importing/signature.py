"""What a model takes and gives, read from the model itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lambent.contracts.model import Datatype, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE
from lambent.domain.model import TFLITE_FILE
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ServingRefused
from lambent_toolkit.modelkit.importing.tflite_metadata import TensorNotes, read_notes
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
    is_tflite         whether it is of a .tflite file, whose datatypes are as they are
    name              of the signature, for the contract: None where it need not say which
    rows_per_call     for the contract: None unless the model takes a fixed number of rows, see `rows.in_rows`
    notes             tensor name → what its maker says of it in the file (TensorFlow Lite Metadata)
    packed_labels     that are packed with the file, and said of no tensor
    has_damaged_notes whether there is more of that, which could not be read
    stored            the same with the model's own shapes, where a free batch stands here in place of a fixed one
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    quantized: dict[str, Quantized] = field(default_factory=dict)
    is_named: bool = True
    activation: str | None = None
    is_tflite: bool = False
    name: str | None = None
    rows_per_call: int | None = None
    notes: Mapping[str, TensorNotes] = field(default_factory=dict)
    packed_labels: tuple[str, ...] = ()
    has_damaged_notes: bool = False
    stored: Signature | None = None


def tflite_signature(model: Path, name: str | None = None) -> Signature:
    """Read a .tflite file where it will be served: in a process of the layers, which it may crash without harm.

    Parameters
    ----------
    model
    name    of a signature; without one its only one, or serving_default. A file without any is taken by the order of
            its tensors, under names made of the graph's own.

    Raises
    ------
    ServingRefused       the interpreter refused it: damaged, operators it has not, strings, no such signature
    ServingCheckFailed   the process died over it
    """
    with TemporaryDirectory() as temporary:
        folder, wanted = Path(temporary), [] if name is None else [name]
        body = model.read_bytes()
        (folder / TFLITE_FILE).write_bytes(body)
        run_program([str(folder), *wanted], python_path=serving_layers(), timeout_s=_TIMEOUT_S, program=PROGRAM)
        answer = json.loads((folder / "signature.json").read_text())
    if "refused" in answer:
        raise ServingRefused(**answer["refused"])
    inputs, outputs = answer["inputs"], answer["outputs"]
    if not answer["is_named"]:
        _name_by_graph([*inputs, *outputs])
    found = read_notes(body)
    told = found.tensors if answer["is_main"] else {}
    return Signature(
        tuple(map(_spec, inputs)),
        tuple(map(_spec, outputs)),
        {each["name"]: Quantized(**each["quantized"]) for each in (*inputs, *outputs) if each["quantized"]},
        is_named=answer["is_named"],
        is_tflite=True,
        name=answer["name"],
        notes={each["name"]: told[each["number"]] for each in (*inputs, *outputs) if each["number"] in told},
        packed_labels=found.labels,
        has_damaged_notes=found.is_damaged,
    )


def _name_by_graph(tensors: list[dict[str, Any]]) -> None:
    """Give tensors names for a contract, made of those of the graph, each once."""
    taken: set[str] = set()
    for number, each in enumerate(tensors):
        bare = each["name"].removeprefix("serving_default_").partition(":")[0]
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", bare).strip("_")[-_NAME_CHARACTERS:] or "tensor"
        each["name"] = f"{name}_{number}" if name in taken else name
        taken.add(each["name"])


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


def datatype_of(dtype: str, name: str) -> Datatype:
    """Return the contract's word for a NumPy dtype's name; raises ForeignModelRefused."""
    datatype = _DATATYPE_BY_DTYPE.get(dtype)
    if datatype is None:
        raise ForeignModelRefused(
            f"Tensor {name} holds {dtype}, which no contract has a datatype for. Convert the model without its text "
            "processing, and declare preprocessing text instead."
        )
    return datatype


def _keras_specs(tensors: list[Any]) -> tuple[TensorSpec, ...]:
    specs: list[TensorSpec] = []
    for tensor in tensors:
        # The layer's name is what its maker gave; the tensor's own counts the tensors of the process.
        name = tensor._keras_history.operation.name[:_NAME_CHARACTERS]  # noqa: SLF001 - there is no public way
        is_taken = name in {spec.name for spec in specs}
        specs.append(
            TensorSpec(
                name=f"{name}_{len(specs)}" if is_taken else name,
                datatype=datatype_of(str(tensor.dtype), name),
                shape=tuple(-1 if dim is None else int(dim) for dim in tensor.shape),
            )
        )
    return tuple(specs)


def _spec(found: dict[str, Any]) -> TensorSpec:
    return TensorSpec(name=found["name"], datatype=found["datatype"], shape=tuple(found["shape"]))
