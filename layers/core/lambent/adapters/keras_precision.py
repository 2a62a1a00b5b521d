"""Half precision for GPUs: the same weights, with most layers computing in 16 bits (Micikevicius et al., ICLR 2018)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing.padding import largest_batch
from lambent.ports import Interpreter

_HALF = "mixed_float16"
_ROWS = 4
_SEED = 7


def in_half_precision(model: Any) -> Any:
    """Return a model of the same layers and weights that computes in float16; variables stay float32."""
    layers = keras.saving.serialize_keras_object(model)
    half = keras.saving.deserialize_keras_object(_with_policy(layers), safe_mode=True)
    half.set_weights(model.get_weights())
    return half


def agree(exact: Interpreter, half: Interpreter, contract: ModelContract) -> bool:
    """Return whether two interpreters' answers to noise differ by no more than half of the golden tolerance."""
    inputs = _noise(contract)
    expected, got = exact.run(inputs), half.run(inputs)
    limit = contract.golden_tolerance / 2
    return all(np.allclose(got[name], expected[name], rtol=0.0, atol=limit) for name in expected)


def _with_policy(value: Any) -> Any:
    """Return a serialized model whose float32 layers have the policy of half precision."""
    if isinstance(value, list):
        return [_with_policy(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "DTypePolicy" and value["config"].get("name") == "float32":
        return {**value, "config": {**value["config"], "name": _HALF}}
    return {name: _with_policy(each) for name, each in value.items()}


def _noise(contract: ModelContract) -> dict[str, Array]:
    random = np.random.default_rng(_SEED)
    return {
        name: random.integers(0, 2, zeros.shape).astype(zeros.dtype)
        if zeros.dtype.kind in "biu"
        else random.random(zeros.shape).astype(zeros.dtype)
        for name, zeros in largest_batch(contract, _ROWS).items()
    }
