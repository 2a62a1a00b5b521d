"""What a Keras model's configuration may name: an allow-list, because Keras's own safe mode was got around repeatedly.

Keras builds whatever its configuration names. Its ``safe_mode`` forbids single classes one by one, each after somebody
had used it to run code, read files or fetch them: Lambda layers (CVE-2024-3660), any module (CVE-2025-1550),
``get_file`` and switching the safe mode off (CVE-2025-8747, CVE-2025-9906), vocabularies read from a path
(CVE-2025-12058), pickles in TorchModuleWrapper (CVE-2025-49655), SavedModels in TFSMLayer (CVE-2026-1462). Here it is
the other way round: what is not known to do arithmetic only is refused, also what a future Keras brings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

from lambent.domain.keras_names import CLASSES, FUNCTIONS, LAYERS

# Why these, of all that is refused, are: the messages name the reason.
DANGERS: Mapping[str, str] = {
    "Lambda": "holds Python code, which loading it would run",
    "__lambda__": "is Python code, which loading it would run",
    "TorchModuleWrapper": "holds a pickle, which can run any code",
    "TFSMLayer": "loads a SavedModel from a path of its own choice",
    "JaxLayer": "runs a function from outside of the file",
    "FlaxLayer": "runs a function from outside of the file",
    "StringLookup": "reads a vocabulary from a path; the contract's preprocessing has tokenizers and vocabularies",
    "IntegerLookup": "reads a vocabulary from a path; the contract's preprocessing has vocabularies",
    "TextVectorization": "reads a vocabulary from a path; the contract's preprocessing has tokenizers",
}
# The same layers with a vocabulary that lies in the file.
TABLES: Mapping[str, str] = {
    "StringLookup": "looks strings up in a table, which no lane has; the contract's preprocessing has vocabularies",
    "IntegerLookup": "looks numbers up in a table, which no lane has; the contract's preprocessing has vocabularies",
    "TextVectorization": "takes strings, which no lane has; the contract's preprocessing has tokenizers",
}
CUSTOM = "is a custom object, which needs code from outside of the file"
_COMPILATION = "compile_config"
_VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"})
_CLASSES: Mapping[str, frozenset[str]] = {
    **CLASSES,
    "keras": frozenset({"Sequential", "Functional", "Model", "DTypePolicy"}),
    "keras.models": frozenset({"Sequential", "Functional", "Model"}),
    "keras.layers": LAYERS,
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    # The others of this module take functions.
    "keras.src.ops.core": frozenset(
        {"Cast", "ConvertToTensor", "SaturateCast", "Scatter", "ScatterUpdate", "Slice", "SliceUpdate", "StopGradient"}
        | {"Unstack"}
    ),
}
# Keras looks for functions of "builtins" in its own modules, and writes its own so.
_FUNCTIONS: Mapping[str, frozenset[str]] = {**FUNCTIONS, "builtins": frozenset().union(*FUNCTIONS.values())}
# A model that holds models that hold models has thirty; Keras walks a configuration by recursion.
MOST_LEVELS = 100
# The largest networks of keras.applications have some 50,000.
MOST_VALUES = 1_000_000
MOST_ELEMENTS = 2**31 - 1
_MOST_NUMBER = 2**63 - 1
_SHAPE, _SHOWN = "shape", 200


class Finding(NamedTuple):
    """What a configuration may not name: where it stands, its name as far as it may be told, and why."""

    where: str
    what: str
    why: str


def config_findings(config: Any, *, is_compiled: bool = False) -> Iterator[Finding]:
    """Yield whatever a Keras configuration names beyond the allow-list.

    Parameters
    ----------
    config        decoded config.json; it is walked as a whole, also where Keras might not look, but for what follows
    is_compiled   whether it will be loaded with ``compile=True``. Else the outermost ``compile_config``, where losses
                  and metrics of its maker's own stand, is left out: Keras makes it None before it builds anything
                  (``_model_from_config`` in keras/src/saving/saving_lib.py). Of models inside it builds them all the
                  same, so those are walked

    Notes
    -----
    An object is any mapping with a ``class_name``, with or without a module: inside of layers Keras still reads the
    older form that has none.
    """
    if isinstance(config, dict) and not is_compiled:
        config = {name: value for name, value in config.items() if name != _COMPILATION}
    pending: list[tuple[str, Any, int]] = [("", config, 0)]
    seen = 0
    while pending:
        where, value, level = pending.pop()
        seen += 1
        if seen > MOST_VALUES or level > MOST_LEVELS:
            yield Finding(where[:_SHOWN], "an object", "is nested deeper, or has more in it, than any model")
            return
        if (found := _finding(where, value)) is not None:
            yield found
        pending += reversed([(below, each, level + 1) for below, each in _parts(where, value)])


def _parts(where: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(_below(where, key), each) for key, each in value.items()]
    return [(f"{where}[{index}]", each) for index, each in enumerate(value)] if isinstance(value, list) else []


def _finding(where: str, value: Any) -> Finding | None:
    """Return what is wrong with a value itself, whatever is in it."""
    if isinstance(value, dict) and "class_name" in value and (why := _refusal(value)):
        return Finding(where or "the model", _name(value), why)
    if isinstance(value, list) and where.endswith(_SHAPE) and _elements(value) > MOST_ELEMENTS:
        return Finding(where, "a shape", f"has more than {MOST_ELEMENTS} elements")
    if isinstance(value, int) and abs(value) > _MOST_NUMBER:
        return Finding(where, "a number", "is larger than any size")
    return None


def _refusal(value: dict[str, Any]) -> str | None:
    name, module = value["class_name"], value.get("module")
    if name == "function":
        return _function_refusal(value)
    if not isinstance(name, str):
        return "has no name"
    if name in DANGERS:
        return TABLES[name] if name in TABLES and not _has_path(value) else DANGERS[name]
    if value.get("registered_name") not in (None, name):
        return CUSTOM
    if name not in _VALUES and not (isinstance(module, str) and _is_allowed(module, name)):
        return "is no part of Keras that is known to do arithmetic only"
    return None


def _has_path(value: dict[str, Any]) -> bool:
    config = value.get("config")
    return isinstance(config, dict) and isinstance(config.get("vocabulary"), str)


def _elements(shape: list[Any]) -> int:
    return prod(each for each in shape if isinstance(each, int) and each > 0)


def _is_allowed(module: str, name: str) -> bool:
    return name in _CLASSES.get(module, ())


def _function_refusal(value: dict[str, Any]) -> str | None:
    name = value.get("config")
    module = value.get("module")
    is_known = (
        isinstance(module, str)
        and isinstance(name, str)
        and name in _FUNCTIONS.get(module, ())
        and value.get("registered_name") in (None, "function", name)
    )
    return None if is_known else "is a function that is no activation, loss or metric of Keras"


def _name(value: dict[str, Any]) -> str:
    """Return the name as far as a message may hold it: what is no plain name is the file's content."""
    name = value["config"] if value["class_name"] == "function" and "config" in value else value["class_name"]
    return name if isinstance(name, str) and re.match(r"\w{1,64}\Z", name, re.ASCII) else "an object"


def _below(where: str, key: str) -> str:
    shown = key if re.match(r"\w{1,64}\Z", key, re.ASCII) else "?"
    return f"{where}.{shown}" if where else shown
