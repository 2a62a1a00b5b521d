"""Whether data, contract and model of a recipe go together: told before an hour of training, not after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lambent.contracts.model import Classification, ModelContract, Regression, TensorSpec
from lambent.domain.contract_check import check_contract
from lambent_toolkit.modelkit.errors import DataUnusable, RecipeUnfit

if TYPE_CHECKING:
    import keras

    from lambent_toolkit.modelkit.recipe import Declaration, LabelledItems
    from lambent_toolkit.modelkit.splitting import Part

_NAMED_LABELS = 10


def check_items(name: str, data: LabelledItems) -> None:
    """Raise RecipeUnfit unless each item has one target of a known kind, and one value of every slice."""
    if data.targets.ndim != 1 or len(data.targets) != len(data.items):
        raise RecipeUnfit(
            f"data() of {name} returns {len(data.items)} items and targets of shape {data.targets.shape}: one target "
            "an item is needed."
        )
    if data.targets.dtype not in (np.int64, np.float64):
        raise RecipeUnfit(
            f"data() of {name} returns targets of {data.targets.dtype}: class numbers are int64, numbers of a "
            "regression are float64."
        )
    for column, values in data.slices.items():
        if len(values) != len(data.items):
            raise RecipeUnfit(f"data() of {name}: slice {column} has {len(values)} values for {len(data.items)} items.")


def check_parts(name: str, parts: Mapping[Part, LabelledItems]) -> None:
    """Raise DataUnusable where a part is empty, or where there is nothing to tell apart in the training part."""
    for part, data in parts.items():
        if not len(data):
            raise DataUnusable(f"The {part} part of {name}'s data is empty: training needs all three parts.")
    targets = parts["train"].targets
    if targets.dtype.kind == "f":
        if not all(np.isfinite(data.targets).all() for data in parts.values()):
            raise DataUnusable(f"Targets of {name}'s data are NaN or infinite: remove those items.")
    elif targets.ndim > 1:
        if not np.ptp(targets, axis=0).any():
            raise DataUnusable(
                f"All {len(targets)} training items of {name} have the same labels: there is nothing to tell apart."
            )
    elif len(np.unique(targets)) == 1:
        raise DataUnusable(
            f"All {len(targets)} training items of {name} are of one class (number {targets[0]}): a classifier needs "
            "two at least."
        )


def check_declaration(name: str, declaration: Declaration, parts: Mapping[Part, LabelledItems]) -> None:
    """Raise unless the contract is sound and its answer is of the targets' kind.

    Raises
    ------
    RecipeUnfit             it is no declaration, or it answers something else than the targets are
    ModelContractMismatch   the contract contradicts itself
    """
    contract = getattr(declaration, "contract", None)
    if not isinstance(contract, ModelContract):
        raise RecipeUnfit(f"contract() of {name} must return Declaration(contract, assets).")
    check_contract(contract)
    answer, kind = contract.postprocessing, parts["train"].targets.dtype.kind
    if (isinstance(answer, Classification) and kind != "i") or (isinstance(answer, Regression) and kind != "f"):
        raise RecipeUnfit(
            f"The contract of {name} declares {type(answer).__name__.lower()}, the targets are "
            f"{'numbers (float64)' if kind == 'f' else 'class numbers (int64)'}."
        )
    if isinstance(answer, Classification):
        _check_labels(name, answer, parts)


def check_model(model: keras.Model, contract: ModelContract, *, name: str) -> None:
    """Raise RecipeUnfit unless a Keras model is compiled and has the contract's inputs and outputs, by their order."""
    import keras

    if not isinstance(model, keras.Model):
        raise RecipeUnfit(f"model() of {name} must return a keras.Model, it returns {type(model).__name__}.")
    if not model.compiled:
        raise RecipeUnfit(f"model() of {name} must return a compiled model: call model.compile(optimizer=…, loss=…).")
    if not model.built or not hasattr(model, "inputs"):
        raise RecipeUnfit(f"The model of {name} has no input shapes: make it with keras.Input.")
    for side, tensors, specs in (
        ("input", model.inputs, contract.inputs),
        ("output", model.outputs, contract.outputs),
    ):
        _check_side(name, side, tensors, specs)


def _check_labels(name: str, answer: Classification, parts: Mapping[Part, LabelledItems]) -> None:
    for part, data in parts.items():
        # Class numbers are places in the data's own labels: under other names, every answer would be mislabelled.
        if tuple(data.labels) != answer.labels[: len(data.labels)]:
            raise RecipeUnfit(
                f"The contract of {name} has the labels {_some(answer.labels)}, its data numbers its classes by "
                f"{_some(data.labels)}: declare Classification(labels=train.labels), in this order."
            )
        if data.targets.ndim > 1:
            continue
        low, high = int(data.targets.min()), int(data.targets.max())
        if low < 0 or high >= len(answer.labels):
            raise RecipeUnfit(
                f"The {part} part of {name}'s data has class numbers from {low} to {high}, the contract has "
                f"{len(answer.labels)} labels: class numbers go from 0 to {len(answer.labels) - 1}."
            )


def _some(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:_NAMED_LABELS]) + (", …" if len(labels) > _NAMED_LABELS else "")


def _check_side(name: str, side: str, tensors: list[Any], specs: tuple[TensorSpec, ...]) -> None:
    if len(tensors) != len(specs):
        raise RecipeUnfit(f"The model of {name} has {len(tensors)} {side}s, its contract declares {len(specs)}.")
    for tensor, spec in zip(tensors, specs, strict=True):
        got = tuple(-1 if size is None else size for size in tensor.shape)
        if len(got) != len(spec.shape) or any(
            want not in (has, -1) for has, want in zip(got[1:], spec.shape[1:], strict=True) if has != -1
        ):
            raise RecipeUnfit(
                f"The model's {side} {spec.name} has the shape {list(got)}, the contract of {name} declares "
                f"{list(spec.shape)} (-1 is free): change the model or the contract."
            )
