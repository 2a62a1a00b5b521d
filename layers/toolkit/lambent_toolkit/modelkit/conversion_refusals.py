"""What TensorFlow's converter refuses, in words of ours: which operator of which layer, and the one thing to do.

The converter's own words are its compiler's: places in graphs, types of tensors, paths of temporary files. Most of what
it finds it also keeps as data (``converter_error_data.proto``); what it only says is searched for an operator's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

_NO_KERNEL = (1, 2)  # ERROR_NEEDS_FLEX_OPS, ERROR_NEEDS_CUSTOM_OPS
_MOST_TOLD = 5
_MOST_CHARACTERS = 160
_KINDS = ("Custom ops: ", "Flex ops: ")
_OPERATOR = re.compile(r"'(?:tfl?|tf_saved_model)\.(\w+)' op|for op:? '?(?:tfl?\.)?(\w+)|Node number \d+ \((\w+)\)")
_PLACE = re.compile(r'"([^"@]*/[^"@]*)(?:@[^"]*)?"')
# Steps of a path in a graph that are calls of the graph's own, and no layers.
_CALLS = re.compile(r"(Stateful)?PartitionedCall(_\d+)?|while(_\d+)?|body|cond|StatelessWhile")
_NUMBER = re.compile(r"_\d+\Z")
# Of an input the name of its signature stands before its own, of others all that was fused into them.
_NO_RANGE = re.compile(r"should be recorded during calibration: Failed for tensor ([^\s;:]+)")
_LOOPS = re.compile(r"TensorList|While")
_LOOKUPS = re.compile(r"HashTable|Lookup|String|Regex|AsString|Substr|Unicode")
_LENGTHS = frozenset({"StridedSlice", "Reshape", "BroadcastTo", "Fill", "Range"})


class Refused(NamedTuple):
    """What the converter does not take, and what to do where the model is made, each without a full stop."""

    said: str
    advice: str


class _Finding(NamedTuple):
    operator: str
    place: str
    has_no_kernel: bool


def refused(exc: Exception, model: Any = None, inputs: Collection[str] = ()) -> Refused:
    """Return what an error of the converter means.

    Parameters
    ----------
    model    the Keras model, where there is one
    inputs   names of the model's inputs
    """
    if unranged := _NO_RANGE.search(str(exc)):
        return _without_range(unranged[1], inputs)
    findings = list(dict.fromkeys(_findings(exc)))
    if not findings:
        return Refused(_plain(str(exc)) or "it gives no reason", _advice(()))
    names = {layer.name for layer in model._flatten_layers()} if model is not None else None  # noqa: SLF001
    own = model.name if model is not None else ""
    lacking = [each for each in findings if each.has_no_kernel] or findings
    told = "; ".join(dict.fromkeys(_told(each, names, own) for each in lacking[:_MOST_TOLD]))
    verb = "has no kernel for" if lacking[0].has_no_kernel else "cannot take"
    return Refused(f"TensorFlow Lite {verb} {told}", _advice([each.operator for each in findings]))


def _without_range(tensor: str, inputs: Collection[str]) -> Refused:
    own = sorted((name for name in inputs if tensor.endswith(f"_{name}")), key=len)
    what = f"input {own[-1]}, which holds whole numbers" if own else f"tensor {tensor.rpartition('/')[2]}"
    return Refused(f"calibration finds no range for {what}", _advice(()))


def _findings(exc: Exception) -> Iterator[_Finding]:
    for error in getattr(exc, "errors", ()):
        if error.operator.name and error.location.call:
            operator = error.operator.name.rpartition(".")[2]
            yield _Finding(operator, error.location.call[0].name.partition("@")[0], error.error_code in _NO_KERNEL)
    if not getattr(exc, "errors", ()):
        yield from _found_in_words(str(exc))


def _found_in_words(text: str) -> Iterator[_Finding]:
    for line in text.splitlines():
        for kind in _KINDS:
            if line.strip().startswith(kind):
                names = line.strip().removeprefix(kind).split(",")
                yield from (_Finding(name.strip(), "", True) for name in names)
                return
    if found := _OPERATOR.search(text):
        place = _PLACE.search(text)
        yield _Finding(next(filter(None, found.groups())), place[1] if place else "", False)


def _told(finding: _Finding, names: Collection[str] | None, own: str) -> str:
    steps = [step for step in finding.place.split(";")[0].split("/") if not _CALLS.fullmatch(step)]
    layer = _path(steps) if names is None else _layer(steps, names, own)
    if layer:
        # `selective_quantization` marks names by a dot.
        return f"{finding.operator} of layer {layer.removesuffix('.')}"
    return f"{finding.operator}, an operation outside of layers" if steps and names is not None else finding.operator


def _path(steps: list[str]) -> str:
    return "/".join(steps[:-1])


def _layer(steps: list[str], names: Collection[str], own: str) -> str:
    """Return the innermost layer of a path.

    TensorFlow numbers scopes anew when a model is traced again: all steps then have the number behind them that the
    model's own has.
    """
    number = next((step.removeprefix(own) for step in steps if step.startswith(own)), "")
    for step in reversed(steps):
        for name in (step.removesuffix(number), step, _NUMBER.sub("", step)):
            if name in names and name != own:
                return name
    return ""


def _advice(operators: Iterable[str]) -> str:
    found = list(operators)
    if any(_LOOKUPS.search(each) for each in found):
        return "Leave it out of the model, and let the contract's preprocessing do it (text, vocabularies)"
    if any(_LOOPS.search(each) for each in found):
        return (
            "Bring the model as a .keras file (TensorFlow 2.13 and later), whose recurrent layers are unrolled here, "
            "or build them with unroll=True over a fixed length, load the same weights, and export it again"
        )
    if found and set(found) <= _LENGTHS:
        return "Build the model with inputs of a fixed length, load the same weights, and save it again"
    return "Build the model without it, by operators that TensorFlow Lite has, and save it again"


def _plain(text: str) -> str:
    """Return the first words of a text that are not the compiler's."""
    line = (text.strip().splitlines() or [""])[0]
    line = re.sub(r"<unknown>:\d+: |error: |loc\(.*\): |\S*/\S*|'?tfl?\.", "", line)
    return " ".join(line.split())[:_MOST_CHARACTERS].rstrip(" .:")
