"""Batches of few different shapes: backends that compile for a shape would else compile for every batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lambent.contracts.model import ModelContract, TensorSpec, TextPreprocessing
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array

_FEWEST_TOKENS = 16


@dataclass(frozen=True)
class Padding:
    """To how many rows a batch is padded, and whether its texts are padded to few different lengths too."""

    rows: int
    has_few_lengths: bool


def pad_batch(inputs: Mapping[str, Array], contract: ModelContract, padding: Padding) -> dict[str, Array]:
    """Return a batch of exactly ``padding.rows`` rows, the last one repeated.

    Few lengths are 16, 32, 64 tokens and so on, at most the contract's ``max_tokens``. What there was is not changed; a
    batch that fits already is not copied.

    Parameters
    ----------
    inputs   what a preprocessor collated, at least one row and at most ``padding.rows``
    """
    spec = contract.preprocessing
    if padding.has_few_lengths and isinstance(spec, TextPreprocessing):
        inputs = {name: _pad_tokens(array, spec, is_ids=name == spec.ids_input) for name, array in inputs.items()}
    return {name: _pad_rows(array, padding.rows) for name, array in inputs.items()}


def largest_batch(contract: ModelContract, rows: int) -> dict[str, Array]:
    """Return a batch of zeros that is as large as one of ``rows`` items can be, to find out what it costs."""
    spec = contract.preprocessing
    tokens = spec.max_tokens if isinstance(spec, TextPreprocessing) else 1
    return {each.name: _zeros(each, rows, tokens) for each in contract.inputs}


def _zeros(spec: TensorSpec, rows: int, tokens: int) -> Array:
    first, *rest = spec.shape
    _, *least = spec.min_shape or [1] * len(spec.shape)
    free = [max(tokens, each) for each in least]
    shape = (
        rows if first == -1 else first,
        *(size if want == -1 else want for want, size in zip(rest, free, strict=True)),
    )
    return np.zeros(shape, DTYPE_BY_DATATYPE[spec.datatype])


def _pad_tokens(array: Array, spec: TextPreprocessing, *, is_ids: bool) -> Array:
    tokens = array.shape[1]
    wanted = _FEWEST_TOKENS
    while wanted < tokens:
        wanted *= 2
    missing = min(wanted, spec.max_tokens) - tokens
    if missing <= 0:
        return array
    return np.pad(array, ((0, 0), (0, missing)), constant_values=spec.pad_id if is_ids else 0)


def _pad_rows(array: Array, rows: int) -> Array:
    missing = rows - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
