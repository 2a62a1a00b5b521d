"""The recipes that `lambent train` knows."""

from __future__ import annotations

from lambent_toolkit.modelkit.errors import RecipeUnknown
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.modelkit.recipes import digits

RECIPES: dict[str, Recipe] = {digits.RECIPE.name: digits.RECIPE}


def find_recipe(name: str) -> Recipe:
    """Return a recipe; raises RecipeUnknown."""
    if name not in RECIPES:
        raise RecipeUnknown(f"There is no recipe {name!r}; there are: {', '.join(sorted(RECIPES))}.")
    return RECIPES[name]
