"""A SavedModel folder: what it takes and gives, and whether its graph reaches out of the computation.

TensorFlow documents that models are programs (tensorflow/SECURITY.md): a graph can read and write files and call
Python. So the graph is looked through, as a message, before TensorFlow loads a byte of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from google.protobuf.message import DecodeError

from lambent.adapters.tflite_signature import DEFAULT_SIGNATURE
from lambent.contracts.model import TensorSpec
from lambent_toolkit.modelkit.conversion_refusals import refused
from lambent_toolkit.modelkit.errors import ConversionFailed, ForeignModelRefused
from lambent_toolkit.modelkit.importing.kinds import GRAPH_FILE
from lambent_toolkit.modelkit.importing.signature import Signature, datatype_of
from lambent_toolkit.modelkit.importing.strings import check_strings
from lambent_toolkit.modelkit.quantization import converter_errors
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

# Operators that read, write or list files, talk to other machines, or run code that is not in the graph.
_REACHING_OUT = re.compile(
    r"""
    (Eager)?PyFunc(Stateless)? | ReadFile | WriteFile | MatchingFiles | .*Reader(V2)? | .*ReaderRead.*
    | (TFRecord|TextLine|FixedLengthRecord|CSV|Sql|LMDB|Snapshot|Save|Load|FileSystem.*)Dataset(V\d)?
    | .*TableFromTextFile(V2)? | LoadAndRemapMatrix | GenerateVocabRemapping | PrintV2 | Debug.* | .*Summary.*
    | Collective.* | RemoteCall | Rpc.* | _?(Host)?(Send|Recv) | .*Service.* | ImportEvent | DecodeProto(V2)?
    | EncodeProto | Save.* | Restore.* | MergeV2Checkpoints
    """,
    re.VERBOSE,
)
# Every SavedModel has these in the function that restores its variables, fed with the folder's own path.
_OWN_VARIABLES = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"})
_REPORTED = 20
_HALF_TYPES = (19, 14)  # DT_HALF and DT_BFLOAT16 of types.proto
_HALVES = (
    "Its graph computes in 16-bit floats: bring the model as a .keras file, which is computed in float32 here, or "
    "build it in float32, load the same weights (of mixed precision they have 32 bits), and export it again"
)
_ARCHIVE_DATE = (1980, 1, 1, 0, 0, 0)


def check_graph(folder: Path) -> Any:
    """Return the folder's MetaGraph, once nothing in it reaches out.

    Raises
    ------
    ForeignModelRefused   no SavedModel, several graphs, a lookup table's file, or operators that reach out: all of them
    """
    graph = _graph(folder)
    found = sorted({name for name in _operators(graph) if name not in _OWN_VARIABLES and _REACHING_OUT.fullmatch(name)})
    if found:
        raise ForeignModelRefused(
            f"The SavedModel does more than compute: its graph has {', '.join(found[:_REPORTED])}. Export it without "
            "what reads files, calls Python or other machines."
        )
    if any(path.is_file() for path in (folder / "assets").rglob("*")):
        raise ForeignModelRefused(
            "The SavedModel brings files of its own (assets), such as a vocabulary: leave text processing out of the "
            "export and declare it in the contract."
        )
    return graph


def saved_model_signature(folder: Path, wanted: str | None = None) -> Signature:
    """Return the tensors of a signature: the one that is wanted, or serving_default, or the only one.

    Raises
    ------
    ForeignModelRefused   as `check_graph`; there is no such signature, or it takes or answers strings
    """
    graph = check_graph(folder)
    names = sorted(name for name in graph.signature_def if not name.startswith("__"))
    name = wanted or (names[0] if len(names) == 1 else DEFAULT_SIGNATURE)
    if name not in names:
        raise ForeignModelRefused(_unknown_signature(wanted, names))
    signature = graph.signature_def[name]
    check_strings(graph, name)
    told = wanted or (None if name == DEFAULT_SIGNATURE else name)
    return Signature(_specs(signature.inputs), _specs(signature.outputs, is_output=True), name=told)


def _unknown_signature(wanted: str | None, names: list[str]) -> str:
    known = ", ".join(names) or "none"
    if wanted is not None:
        return f"The SavedModel has no signature {wanted}; it has {known}."
    if not names:
        return "The SavedModel has no signature, so nobody can tell what it takes: export it with one, as Keras does."
    return (
        f"The SavedModel has {len(names)} signatures and none is called {DEFAULT_SIGNATURE}: name one of {known} by "
        "--signature."
    )


def to_float_tflite(folder: Path, signature: str | None = None) -> bytes:
    """Convert one signature of a checked SavedModel into a .tflite file of 32-bit floats, its name kept.

    Raises
    ------
    ConversionFailed   an operator has no TensorFlow Lite kernel; operators of TensorFlow itself (Flex) are not served
    """
    with quiet():
        import tensorflow as tf

        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(folder), signature_keys=[signature or DEFAULT_SIGNATURE]
        )
        try:
            return bytes(converter.convert())
        except converter_errors() as exc:
            said, advice = refused(exc)
            if _computes_in_halves(_graph(folder)):
                advice = _HALVES
            raise ConversionFailed(
                f"TensorFlow's converter cannot make a .tflite file of this SavedModel: {said}. {advice}.", said=said
            ) from exc


def pack(folder: Path) -> bytes:
    """Return a SavedModel folder as the bytes of a zip archive, always the same for the same files."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for path in sorted(found for found in folder.rglob("*") if found.is_file()):
            archive.writestr(ZipInfo(path.relative_to(folder).as_posix(), _ARCHIVE_DATE), path.read_bytes())
    return buffer.getvalue()


def _graph(folder: Path) -> Any:
    with quiet():
        from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    message = SavedModel()
    try:
        message.ParseFromString((folder / GRAPH_FILE).read_bytes())
    except DecodeError:
        raise ForeignModelRefused(f"{folder / GRAPH_FILE} is damaged: it cannot be parsed.") from None
    if len(message.meta_graphs) != 1:
        raise ForeignModelRefused(
            f"The SavedModel has {len(message.meta_graphs)} graphs, it needs exactly one: export it for serving only."
        )
    return message.meta_graphs[0]


def _computes_in_halves(graph: Any) -> bool:
    return any(node.attr["T"].type in _HALF_TYPES for node in _nodes(graph) if "T" in node.attr)


def _operators(graph: Any) -> Iterator[str]:
    yield from (node.op for node in _nodes(graph))


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def _specs(tensors: Any, *, is_output: bool = False) -> tuple[TensorSpec, ...]:
    import tensorflow as tf

    for name, found in sorted(tensors.items()):
        if found.tensor_shape.unknown_rank or not found.tensor_shape.dim:
            has = "an unknown number of dimensions" if found.tensor_shape.unknown_rank else "no dimensions"
            raise ForeignModelRefused(
                f"Tensor {name} of the SavedModel has {has}, and the first must be the batch: export it with an "
                "input_signature of shapes, such as tf.TensorSpec([None, 224, 224, 3], tf.float32)."
            )
    return tuple(
        TensorSpec(
            name=name,
            datatype=datatype_of(tf.dtypes.as_dtype(found.dtype).name, name, is_output=is_output),
            shape=tuple(int(dim.size) for dim in found.tensor_shape.dim),
        )
        for name, found in sorted(tensors.items())
    )
