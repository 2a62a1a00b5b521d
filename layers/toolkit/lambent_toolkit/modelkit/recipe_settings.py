"""Settings from the command line: ``--set key=value``, converted and checked by the types of the recipe's Settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from lambent_toolkit.modelkit.errors import SettingInvalid
from lambent_toolkit.modelkit.recipe import Recipe

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def with_settings(recipe: Recipe, texts: Sequence[str]) -> Recipe:
    """Return the recipe with settings changed.

    Parameters
    ----------
    recipe
    texts    "key=value" each; a value of a type other than number, text or truth value is written as JSON

    Raises
    ------
    SettingInvalid   unknown key, or a value that its type does not allow; says what is known and expected
    """
    types = setting_types(recipe)
    changed: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingInvalid(f"--set {text}: write it as key=value.")
        if key not in types:
            raise SettingInvalid(f"{recipe.name} has no setting {key!r}; it has: {_known(recipe)}.")
        changed[key] = _convert(key, value, types[key])
    return recipe.having(**changed)


def setting_types(recipe: Recipe) -> dict[str, Any]:
    """Return setting → type."""
    return {each.name: each.type for each in msgspec.structs.fields(recipe.settings)}


def describe_type(kind: Any) -> str:
    """Return a type in words: "whole number, at least 1"."""
    if get_origin(kind) is Annotated:
        inner, *notes = get_args(kind)
        bounds = [
            f"{words} {getattr(note, bound):g}"
            for note in notes
            for bound, words in _BOUNDS.items()
            if getattr(note, bound, None) is not None
        ]
        return ", ".join([describe_type(inner), *bounds])
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return words.get(kind) or str(kind)


def _known(recipe: Recipe) -> str:
    values = msgspec.structs.asdict(recipe.settings)
    return ", ".join(f"{key}={values[key]} ({describe_type(kind)})" for key, kind in setting_types(recipe).items())


def _convert(key: str, value: str, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise SettingInvalid(f"--set {key}={value}: expected {describe_type(kind)}, got {value!r}.") from None
