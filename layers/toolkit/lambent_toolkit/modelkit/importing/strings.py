"""What a SavedModel's strings are: encoded pictures, records, texts or the names of classes, and what to do instead."""

from __future__ import annotations

from typing import Any

from lambent_toolkit.modelkit.errors import ForeignModelRefused

_DECODERS = ("DecodeImage", "DecodeJpeg", "DecodePng", "DecodeBmp", "DecodeGif", "DecodeWebP", "DecodeAndCropJpeg")
_PARSERS = ("ParseExample", "ParseExampleV2", "ParseSingleExample", "ParseSequenceExample", "ParseSequenceExampleV2")
_TENSORS = "what callers send is preprocessed by the contract, not by the graph."


def check_strings(graph: Any, name: str) -> None:
    """Check that one of a graph's signatures is of numbers only; raises ForeignModelRefused with what to do."""
    signature = graph.signature_def[name]
    takes, answers = _strings(signature.inputs), _strings(signature.outputs)
    if not takes and not answers:
        return
    found = [*(f"takes strings as {each}" for each in takes), *(f"answers strings as {each}" for each in answers)]
    remedies = [_instead_of_inputs(_operators(graph, signature))] if takes else []
    if answers:
        remedies.append(
            f"Leave {' and '.join(answers)} out of the export: what classes are called stands in the contract's labels."
        )
    numeric = [
        other
        for other, each in sorted(graph.signature_def.items())
        if not other.startswith("__") and each.inputs and not _strings(each.inputs) and not _strings(each.outputs)
    ]
    if numeric:
        remedies.append(f"Or take a signature of numbers only: --signature {' or '.join(numeric)}.")
    raise ForeignModelRefused(f"The SavedModel's signature {name} {' and '.join(found)}. {' '.join(remedies)}")


def _strings(tensors: Any) -> list[str]:
    from tensorflow.core.framework.types_pb2 import DT_STRING

    return sorted(name for name, found in tensors.items() if found.dtype == DT_STRING)


def _operators(graph: Any, signature: Any) -> set[str]:
    """Return the operators that a signature's outputs come from, those of the functions that it calls included."""
    nodes = {node.name: node for node in graph.graph_def.node}
    functions = {each.signature.name: each.node_def for each in graph.graph_def.library.function}
    waiting = [
        nodes[name] for name in map(_node_name, (each.name for each in signature.outputs.values())) if name in nodes
    ]
    seen: set[str] = set()
    operators: set[str] = set()
    while waiting:
        node = waiting.pop()
        operators.add(node.op)
        called = [name for attribute in node.attr.values() for name in _functions(attribute) if name not in seen]
        inputs = [name for name in map(_node_name, node.input) if name in nodes and name not in seen]
        seen.update(called, inputs)
        waiting += [each for name in called for each in functions.get(name, ())]
        waiting += [nodes[name] for name in inputs]
    return operators


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]


def _functions(attribute: Any) -> list[str]:
    return [each.name for each in (attribute.func, *attribute.list.func) if each.name]


def _instead_of_inputs(operators: set[str]) -> str:
    if decoders := sorted(operators & set(_DECODERS)):
        return (
            f"They are encoded pictures, which its graph decodes ({', '.join(decoders)}): export the model from where "
            f"they are decoded and resized on; {_TENSORS}"
        )
    if parsers := sorted(operators & set(_PARSERS)):
        return (
            f"They are records, which its graph parses ({', '.join(parsers)}): export the model from its features on; "
            f"{_TENSORS}"
        )
    return "If they are texts, export the model without its text processing and declare preprocessing text instead."
