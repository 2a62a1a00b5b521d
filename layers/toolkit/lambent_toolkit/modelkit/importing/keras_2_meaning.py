"""What Keras 3 made of a model that Keras 2 wrote, held against what was written.

Its loader of HDF5 files leaves out axes where there are several, and weights go to layers by their order: neither
raises anything where shapes happen to fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose
from typing import Any

from lambent_toolkit.modelkit.errors import ForeignModelRefused

Config = dict[str, Any]
# What Keras 3 says in other words, or keeps elsewhere.
_NOT_COMPARED = frozenset(
    {"batch_shape", "build_config", "compile_config", "dtype", "inbound_nodes", "input_layers", "module", "name"}
    | {"output_layers", "registered_name", "seed", "trainable", "shared_object_id"}
)
_AUGMENTING = "Random"
_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")


def check_meaning(written: Config, model: Any) -> None:
    """Check that Keras 3 means by a configuration what was written, and that weights went to their layers.

    Parameters
    ----------
    written   what `as_keras_3` gave
    model     that Keras 3 made of it

    Raises
    ------
    ForeignModelRefused   an argument of a layer has another value in it; its layers with weights, which go by their
                          order, are in another one
    """
    import keras

    loaded = keras.saving.serialize_keras_object(model)
    differing = next(_differences(written, loaded, "the model"), None)
    if differing is not None:
        where, ours, theirs = differing
        raise ForeignModelRefused(f"Keras 3 would take {where} as {theirs}, where the file says {ours}.")
    _check_order(written, model)


def _check_order(written: Config, model: Any) -> None:
    layers = {layer.name: layer for layer in model.layers}
    configs = {each["config"]["name"]: each for each in written["config"]["layers"]}
    if [name for name in configs if name in layers and layers[name].weights] != [
        name for name, layer in layers.items() if layer.weights
    ]:
        raise ForeignModelRefused(f"Keras 3 would put the layers of {model.name} into another order.")
    for name, layer in layers.items():
        if layer.weights and "layers" in configs[name]["config"]:
            _check_order(configs[name], layer)


def _differences(written: Any, loaded: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    written, loaded = _plain(written), _plain(loaded)
    if isinstance(written, dict) and isinstance(loaded, dict):
        where = _place(written, where)
        for name in _compared(written, loaded):
            below = where if name == "config" else f"{where}.{name}"
            yield from _differences(written[name], loaded[name], below)
    elif isinstance(written, list) and isinstance(loaded, list):
        if len(written) != len(loaded):
            yield where, written, loaded
        for ours, theirs in zip(written, loaded, strict=False):
            yield from _differences(ours, theirs, where)
    elif written is not None and not _is_same(written, loaded):
        yield where, written, loaded


def _compared(written: Config, loaded: Config) -> list[str]:
    """Return which parts of a layer must be the same: none of one that acts in training only."""
    if str(written.get("class_name")).startswith(_AUGMENTING):
        return []
    shared = sorted((written.keys() & loaded.keys()) - _NOT_COMPARED)
    return [name for name in shared if not name.endswith(_TRAINING_ONLY)]


def _place(written: Config, where: str) -> str:
    inner = written.get("config")
    return inner.get("name", where) if isinstance(inner, dict) else where


def _plain(value: Any) -> Any:
    """Return tuples as lists, lists of one as that one, and layers by their names: models keep them in any order."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        value = value["items"]
    if isinstance(value, list | tuple):
        if value and all(isinstance(each, dict) and isinstance(each.get("config"), dict) for each in value):
            return {each["config"].get("name", str(number)): each for number, each in enumerate(value)}
        return list(value) if len(value) != 1 else value[0]
    return value


def _is_same(written: Any, loaded: Any) -> bool:
    numbers = [value if isinstance(value, list) else [value] for value in (written, loaded)]
    if all(isinstance(each, int | float) for side in numbers for each in side):
        # One number may stand for as many equal ones.
        pairs = [(ours, theirs) for ours in numbers[0] for theirs in numbers[1]]
        return all(isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-12) for ours, theirs in pairs)
    # A function or a policy may be told by its name or by its configuration.
    return not (isinstance(written, str) and isinstance(loaded, str)) or written == loaded
