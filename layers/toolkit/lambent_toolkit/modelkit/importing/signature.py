"""What a model takes and gives, read from the model itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from lambent.adapters.tflite_limits import check_tflite
from lambent.contracts.model import Datatype, TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import TFLITE_FILE
from lambent.errors import BrokenArtifact
from lambent_toolkit.modelkit.errors import ForeignModelRefused, ServingRefused
from lambent_toolkit.modelkit.importing.layer_names import scope_name
from lambent_toolkit.modelkit.importing.pixel_range import InputPath
from lambent_toolkit.modelkit.importing.tflite_metadata import TensorNotes, read_notes
from lambent_toolkit.modelkit.importing.trial import Run, Tried, try_model
from lambent_toolkit.modelkit.serving_process import run_program, serving_layers

if TYPE_CHECKING:
    import keras

FACTS_FILE = "graph_facts.json"
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
class GraphFacts:
    """What a model's graph tells, written where the model is loaded and read where it may not be, see `Signature`."""

    activations: dict[str, str]
    paths: dict[str, InputPath]


@dataclass(frozen=True)
class Signature:
    """The tensors of a model.

    Parameters
    ----------
    inputs, outputs   -1 is a free dimension; a number that is quantized in the file is FP32 here
    quantized         tensor name → how the file keeps it
    is_named          whether a contract must use these names: a .keras file goes by the order, and its .tflite file
                      takes the contract's names
    activations       output → the function that gives it its range, where the graph is known; "linear" is none
    paths             input → what the model itself does to it before it learns, where the graph is known
    tried             what the model answered to samples
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
    activations: dict[str, str] = field(default_factory=dict)
    paths: dict[str, InputPath] = field(default_factory=dict)
    tried: Tried = field(default_factory=Tried)
    is_tflite: bool = False
    name: str | None = None
    rows_per_call: int | None = None
    notes: Mapping[str, TensorNotes] = field(default_factory=dict)
    packed_labels: tuple[str, ...] = ()
    has_damaged_notes: bool = False
    stored: Signature | None = None

    def after_trial(self, run: Run) -> Signature:
        """Return it with what the model answers to samples; ``run`` returns None where it does not take them."""
        steps = {name: kept.scale for name, kept in self.quantized.items()}
        return replace(self, tried=try_model(self.inputs, self.outputs, run, steps=steps))


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
    body = model.read_bytes()
    try:
        check_tflite(body)  # at once, and without a process that it could harm
    except BrokenArtifact as exc:
        raise ServingRefused(exc.code, exc.detail) from exc
    with TemporaryDirectory() as temporary:
        folder, wanted = Path(temporary), [] if name is None else [name]
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
    from lambent.adapters.keras_structure import call_flat, graph_of
    from lambent_toolkit.modelkit.importing.input_paths import input_paths
    from lambent_toolkit.modelkit.importing.keras_graph import output_activations

    graph = graph_of(model)
    inputs, outputs = (_keras_specs(side) for side in (graph._inputs_struct, graph._outputs_struct))  # noqa: SLF001
    activations = zip(outputs, output_activations(model), strict=True)
    signature = Signature(
        inputs,
        outputs,
        is_named=False,
        activations={spec.name: function for spec, function in activations if function},
        paths={spec.name: path for spec, path in zip(inputs, input_paths(model), strict=True)},
    )

    def run(tensors: Mapping[str, Array]) -> dict[str, Array] | None:
        try:
            answers = call_flat(model, [tensors[spec.name] for spec in inputs])
        except Exception:  # noqa: BLE001 - the samples are not its maker's: what is wrong with the model, its import says
            return None
        return {spec.name: np.asarray(answer) for spec, answer in zip(outputs, answers, strict=True)}

    return signature.after_trial(run)


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


def _keras_specs(structure: Any) -> tuple[TensorSpec, ...]:
    specs: list[TensorSpec] = []
    for name, tensor in _keras_tensors(structure):
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


def _keras_tensors(structure: Any) -> Iterator[tuple[str, Any]]:
    """Yield each tensor of a model's inputs or outputs with its name: the keys that lead to it, or its layer's."""
    import keras

    for path, tensor in keras.tree.flatten_with_path(structure):
        # The layer's name is what its maker gave; the tensor's own counts the tensors of the process.
        layer = tensor._keras_history.operation.name  # noqa: SLF001 - there is no public way
        is_keyed = any(isinstance(key, str) for key in path)
        yield scope_name("_".join(map(str, path)) if is_keyed else layer)[:_NAME_CHARACTERS], tensor


def _spec(found: dict[str, Any]) -> TensorSpec:
    return TensorSpec(name=found["name"], datatype=found["datatype"], shape=tuple(found["shape"]))
