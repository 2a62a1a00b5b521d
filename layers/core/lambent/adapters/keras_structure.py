"""A Keras model called by its own structure: one tensor, lists, dicts, or any nesting of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def call_flat(model: Any, tensors: Sequence[Any]) -> list[Any]:
    """Return a model's answer at inference; tensors and answer are flat, as ``model.inputs`` and ``.outputs`` are."""
    return flat_outputs(model(pack_inputs(model, tensors), training=False))


def pack_inputs(model: Any, tensors: Sequence[Any]) -> Any:
    """Return flat inputs in the structure that the model was built with."""
    structure = graph_of(model)._inputs_struct  # noqa: SLF001 - there is no public way
    return keras.tree.pack_sequence_as(structure, list(tensors))


def flat_outputs(answer: Any) -> list[Any]:
    """Return what a model answered as a flat list; dicts in the order of their keys."""
    return list(keras.tree.flatten(answer))


def graph_of(model: Any) -> Any:
    """Return the Functional model that a Sequential one builds of its layers, or the model itself."""
    return getattr(model, "_functional", None) or model
