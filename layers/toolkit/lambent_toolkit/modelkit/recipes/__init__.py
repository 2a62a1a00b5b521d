"""The recipes that `lambent train` knows: built-in ones by name, yours by the path of a Python file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lambent_toolkit.modelkit.errors import RecipeUnknown
from lambent_toolkit.modelkit.recipe import HyperParameters, Recipe
from lambent_toolkit.modelkit.recipe_calls import running
from lambent_toolkit.modelkit.recipes import diabetes, digits, language, transfer, wine

_FUNCTIONS = ("data", "contract", "model")


def find_recipe(name: str) -> Recipe:
    """Return a recipe with its own settings.

    Parameters
    ----------
    name : str   of a built-in recipe, or path of a Python file that defines the functions ``data``, ``contract`` and
                 ``model``, ``fine_tune`` if it has a second phase, ``sources`` if the model is made of further files,
                 and ``Settings`` if it has any of its own; the file is run

    Raises
    ------
    RecipeUnknown   no such recipe or file, or the file does not define what a recipe consists of
    RecipeFailed    the file raises
    """
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name).resolve()
    if path.suffix != ".py" or not path.is_file():
        known = ", ".join(sorted(RECIPES))
        raise RecipeUnknown(f"There is no recipe {name!r}; there are: {known}, or name a Python file with a recipe.")
    with running(path, "when the file is run"):
        defined = vars(_module_of(path))
    return replace(_assemble(path.stem, defined, path), path=str(path))


def _module_of(path: Path) -> ModuleType:
    """Run a file as a module that stays: annotations of its Settings are looked up in it later, by its name."""
    name = f"lambent_recipe_{sha256(bytes(path)).hexdigest()[:12]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RecipeUnknown(f"{path.name} cannot be run as a Python file.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _assemble(name: str, defined: Mapping[str, Any], file: Path) -> Recipe:
    missing = [function for function in _FUNCTIONS if not callable(defined.get(function))]
    if missing:
        raise RecipeUnknown(
            f"{file.name} is no recipe: it does not define {' and '.join(f'{each}()' for each in missing)}."
        )
    settings = defined.get("Settings", HyperParameters)
    if not (isinstance(settings, type) and issubclass(settings, HyperParameters)):
        raise RecipeUnknown(f"{file.name} is no recipe: its Settings must be a class derived from HyperParameters.")
    return Recipe(
        name=name,
        settings=settings(),
        data=defined["data"],
        contract=defined["contract"],
        model=defined["model"],
        fine_tune=defined.get("fine_tune"),
        sources=defined.get("sources"),
        source_sha256=sha256(file.read_bytes()).hexdigest(),
    )


RECIPES: dict[str, Recipe] = {
    file.stem: _assemble(file.stem, vars(module), file)
    for module in (digits, language, wine, diabetes, transfer)
    for file in [Path(module.__file__)]
}
