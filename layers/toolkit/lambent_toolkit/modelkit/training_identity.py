"""What makes two trainings the same: then their weights are equal too, and one may go on where the other stopped."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from lambent_toolkit.modelkit.recipe import Recipe, Split

_TOOLS = ("tensorflow", "keras", "numpy")


class TrainingIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the weights depend on, but for the processor."""

    recipe: str
    source_sha256: str
    settings: dict[str, Any]
    data_sha256: str
    tools: dict[str, str]
    sources: dict[str, str] = {}

    def differences(self, other: TrainingIdentity) -> list[str]:
        """Return in words what differs, from ``other`` to this; empty if they are the same training."""
        told = []
        if self.recipe != other.recipe:
            told.append(f"recipe {other.recipe} → {self.recipe}")
        elif self.source_sha256 != other.source_sha256:
            told.append(f"the source of {self.recipe} has changed")
        told += _changes(self.settings, other.settings)
        if self.data_sha256 != other.data_sha256:
            told.append("the data has changed")
        told += [f"{name} has changed" for name, digest in self.sources.items() if other.sources.get(name) != digest]
        return told + _changes(self.tools, other.tools)


def identify(recipe: Recipe, split: Split) -> TrainingIdentity:
    """Return the identity of a recipe's training on this data, with the packages installed here."""
    return TrainingIdentity(
        recipe=recipe.recorded_name,
        source_sha256=recipe.source_sha256,
        settings=recipe.recorded_settings,
        data_sha256=split.sha256,
        tools={tool: version(tool) for tool in _TOOLS},
        sources=recipe.source_digests(),
    )


def _changes(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*before, *now])
    return [f"{name} {before.get(name)} → {now.get(name)}" for name in names if before.get(name) != now.get(name)]
