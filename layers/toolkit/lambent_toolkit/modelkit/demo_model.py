"""The demo model: the recipe ``digits``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambent_toolkit.modelkit.recipe_cache import build_recipe, default_cache_dir, publish_recipe
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher

if TYPE_CHECKING:
    from lambent.domain.model import ModelRef
    from lambent.ports import Signer
    from lambent_toolkit.modelkit.artifact import Artifact
    from lambent_toolkit.stacks.stack import Stack

_RECIPE = "digits"
__all__ = ["build_demo_model", "default_cache_dir", "publish_demo_model"]


def build_demo_model(cache_dir: Path, watcher: Watcher = SILENCE) -> Artifact:
    """Return the demo model, see `build_recipe`."""
    return build_recipe(_RECIPE, cache_dir, watcher)


def publish_demo_model(
    stack: Stack, *, cache_dir: Path | None = None, watcher: Watcher = SILENCE, signer: Signer | None = None
) -> ModelRef:
    """Publish the demo model to a stack and point the label ``live`` to it."""
    return publish_recipe(stack, _RECIPE, cache_dir=cache_dir, watcher=watcher, signer=signer)
