"""The recipes that `lambent train` knows: built-in ones by name, yours by the path of a Python file."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

from lambent_toolkit.modelkit.errors import RecipeUnknown
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.modelkit.recipes import digits, language, wine

RECIPES: dict[str, Recipe] = {module.RECIPE.name: module.RECIPE for module in (digits, language, wine)}


def find_recipe(name: str) -> Recipe:
    """Return a recipe.

    Parameters
    ----------
    name : str   of a built-in recipe, or path of a Python file that defines ``RECIPE``; the file is run

    Raises
    ------
    RecipeUnknown   no such recipe or file, or the file defines none
    """
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name).resolve()
    if path.suffix != ".py" or not path.is_file():
        known = ", ".join(sorted(RECIPES))
        raise RecipeUnknown(f"There is no recipe {name!r}; there are: {known}, or name a Python file with a RECIPE.")
    recipe = runpy.run_path(str(path)).get("RECIPE")
    if not isinstance(recipe, Recipe):
        raise RecipeUnknown(f"{path.name} defines no RECIPE; it must be a lambent_toolkit.modelkit.recipe.Recipe.")
    return replace(recipe, path=str(path))
