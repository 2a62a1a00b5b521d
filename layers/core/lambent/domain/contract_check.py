"""What a contract must keep beyond its schema, so that every promise in it can be held."""

from __future__ import annotations

from math import isfinite, prod
from typing import Any

from lambent.contracts.model import (
    CategoricalColumn,
    Classification,
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    Regression,
    Series,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.errors import ModelContractMismatch

_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_FRACTIONS = ("FP32", "FP64")
_FLOATS = ("FP16", "FP32", "FP64")
_BINARY = 2
# Rows and steps, and perhaps channels.
_WINDOW_RANKS = (2, 3)


def check_contract(contract: ModelContract) -> None:
    """Check that tensors, preprocessing and postprocessing of a contract agree; raises ModelContractMismatch."""
    for side, specs in (("inputs", contract.inputs), ("outputs", contract.outputs)):
        _check_tensors(specs, side)
    _check_min_shapes(contract)
    spec = contract.preprocessing
    if not isinstance(spec, TensorPreprocessing):
        for index, tensor in enumerate(contract.inputs):
            _check_rows(tensor, f"inputs[{index}]")
    if contract.rows_per_call is not None:
        _check_fixed_calls(contract)
    if isinstance(spec, ImagePreprocessing):
        _check_image(spec, _only_input(contract))
    elif isinstance(spec, TextPreprocessing):
        _check_text(spec, contract.inputs)
    elif isinstance(spec, TabularPreprocessing):
        _check_table(spec, _only_input(contract))
    _check_postprocessing(contract)


def encoded_width(spec: TabularPreprocessing) -> int:
    """Return how many numbers a row becomes."""
    return sum(_column_width(column) for column in spec.columns)


def _column_width(column: NumericColumn | CategoricalColumn) -> int:
    is_one_hot = isinstance(column, CategoricalColumn) and column.encoding == "one_hot"
    return len(column.vocabulary) if is_one_hot else 1  # type: ignore[union-attr]


def _check_tensors(specs: tuple[TensorSpec, ...], side: str) -> None:
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise _broken(f"Two {side} have the same name.", side)
    for index, spec in enumerate(specs):
        if not spec.shape or any(dim != -1 and dim < 1 for dim in spec.shape):
            raise _broken(
                f"{side}[{index}] needs at least the batch dimension, and each is -1 (free) or at least 1.",
                f"{side}[{index}].shape",
                got=list(spec.shape),
            )


def _check_min_shapes(contract: ModelContract) -> None:
    """Check that the smallest shapes are of free dimensions of inputs, and such as a text can be padded to."""
    spec = contract.preprocessing
    longest = spec.max_tokens if isinstance(spec, TextPreprocessing) else None
    for tensor in contract.outputs:
        if tensor.min_shape is not None:
            raise _broken("An output has no smallest shape.", f"outputs.{tensor.name}.min_shape", got=tensor.min_shape)
    for tensor in contract.inputs:
        smallest = tensor.min_shape
        if smallest is None:
            continue
        if len(smallest) != len(tensor.shape) or any(
            want not in {-1, least} for want, least in zip(tensor.shape, smallest, strict=True)
        ):
            raise _broken(
                f"The smallest shape of input {tensor.name} has other dimensions than its shape.",
                f"inputs.{tensor.name}.min_shape",
                limit=list(tensor.shape),
                got=list(smallest),
            )
        if longest is not None and max(smallest[1:], default=1) > longest:
            raise _broken(
                f"Input {tensor.name} must be longer than any text may be.",
                f"inputs.{tensor.name}.min_shape",
                limit=longest,
                got=list(smallest),
            )


def _check_rows(spec: TensorSpec, where: str) -> None:
    if spec.shape[0] != -1:
        raise _broken(
            f"The first dimension of {where} is the batch, which must be free (-1) where items are preprocessed.",
            f"{where}.shape",
            limit=-1,
            got=spec.shape[0],
        )


def _check_fixed_calls(contract: ModelContract) -> None:
    for tensor in (*contract.inputs, *contract.outputs):
        if tensor.shape[0] != -1:
            raise _broken(
                f"rows_per_call divides a batch that is free, but the first dimension of {tensor.name} is fixed.",
                f"{tensor.name}.shape",
                limit=-1,
                got=tensor.shape[0],
            )


def _only_input(contract: ModelContract) -> TensorSpec:
    if len(contract.inputs) != 1:
        raise _broken(
            "Image and tabular preprocessing fill one input; this contract declares more. Use preprocessing tensor.",
            "inputs",
            limit=1,
            got=len(contract.inputs),
        )
    return contract.inputs[0]


def _check_image(spec: ImagePreprocessing, tensor: TensorSpec) -> None:
    _check_shape(tensor, (-1, spec.height, spec.width, spec.channels), "preprocessing makes pictures of that size")
    _check_datatype(tensor, ("FP32", "UINT8"), "preprocessing makes pixels")
    if tensor.datatype == "UINT8" and (spec.scale, spec.offset) != (1.0, 0.0):
        raise _broken(
            "A UINT8 input takes the pixels themselves: set scale to 1 and offset to 0.",
            "preprocessing.scale",
            limit=[1.0, 0.0],
            got=[spec.scale, spec.offset],
        )
    if spec.scale == 0:
        raise _broken(
            "A scale of 0 makes the same picture of all.", "preprocessing.scale", limit="not 0", got=spec.scale
        )
    _check_finite("preprocessing.scale", spec.scale)
    _check_finite("preprocessing.offset", spec.offset)


def _check_text(spec: TextPreprocessing, tensors: tuple[TensorSpec, ...]) -> None:
    filled = [name for name in (spec.ids_input, spec.mask_input, spec.types_input) if name is not None]
    declared = sorted(tensor.name for tensor in tensors)
    if sorted(filled) != declared:
        raise _broken(
            "Text preprocessing must fill each input once, by ids_input, mask_input and types_input.",
            "preprocessing",
            limit=declared,
            got=sorted(filled),
        )
    for tensor in tensors:
        length = tensor.shape[1] if len(tensor.shape) == 2 else None  # noqa: PLR2004 - batch and tokens
        if length != -1 and (length != spec.max_tokens or spec.pad_to == "longest"):
            wanted = [-1, -1] if spec.pad_to == "longest" else [-1, spec.max_tokens]
            raise _broken(
                f'Input {tensor.name} takes the tokens of texts padded to "{spec.pad_to}".',
                f"inputs.{tensor.name}.shape",
                limit=wanted,
                got=list(tensor.shape),
            )
        _check_datatype(tensor, _INTEGERS, "preprocessing makes token ids, masks and types")


def _check_table(spec: TabularPreprocessing, tensor: TensorSpec) -> None:
    names = [column.name for column in spec.columns]
    if len(set(names)) != len(names):
        raise _broken("Two columns have the same name.", "preprocessing.columns")
    _check_shape(tensor, (-1, encoded_width(spec)), "the encoded columns have that many numbers together")
    has_fractions = any(isinstance(column, NumericColumn) for column in spec.columns)
    _check_datatype(tensor, _FRACTIONS if has_fractions else (*_FRACTIONS, "INT32", "INT64"), "columns become numbers")
    for column in spec.columns:
        where = f"preprocessing.columns.{column.name}"
        if isinstance(column, NumericColumn):
            _check_finite(where, column.mean, column.std, column.missing or 0.0)
        elif len(set(column.vocabulary)) != len(column.vocabulary):
            raise _broken(f"The vocabulary of column {column.name} holds a word twice.", where)
        elif column.missing is not None and column.missing not in column.vocabulary:
            raise _broken(f"What stands for a missing {column.name} is not in its vocabulary.", where)


def _check_postprocessing(contract: ModelContract) -> None:
    spec = contract.postprocessing
    if not isinstance(spec, Classification | Regression):
        return
    tensor = _read_output(contract, spec.output)
    if not isinstance(contract.preprocessing, TensorPreprocessing):
        _check_rows(tensor, f"outputs.{tensor.name}")
    numbers = len(spec.labels) if isinstance(spec, Classification) else 1
    is_binary = numbers == _BINARY and prod(tensor.shape[1:]) == 1
    if -1 in tensor.shape[1:] or (prod(tensor.shape[1:]) != numbers and not is_binary):
        raise _broken(
            f"Output {tensor.name} must hold {numbers} numbers a row, as postprocessing reads it.",
            f"outputs.{tensor.name}.shape",
            limit=numbers,
            got=list(tensor.shape),
        )
    if isinstance(spec, Regression):
        _check_regression(spec, tensor, contract)
        return
    _check_datatype(tensor, _FLOATS, "postprocessing reads scores")
    _check_finite("postprocessing.temperature", spec.temperature)
    if spec.activation == "softmax" and prod(tensor.shape[1:]) == 1:
        raise _broken(
            f"A softmax of one number is 1 whatever the model answers: declare sigmoid if output {tensor.name} is a "
            "logit, none if it is a score.",
            "postprocessing.activation",
            limit=["none", "sigmoid"],
            got=spec.activation,
        )
    if spec.activation == "none" and spec.temperature != 1.0 and numbers == 1:
        raise _broken(
            "A temperature without activation is for probabilities that sum to one, but there is one label only: "
            "let the model answer its logit and declare activation sigmoid.",
            "postprocessing.temperature",
            limit=1.0,
            got=spec.temperature,
        )


def _check_regression(spec: Regression, tensor: TensorSpec, contract: ModelContract) -> None:
    _check_datatype(tensor, (*_FLOATS, *_INTEGERS), "postprocessing scales a number")
    _check_finite("postprocessing", spec.scale, spec.offset)
    if spec.scale == 0:
        raise _broken(
            "A scale of 0 makes the same number of every output.", "postprocessing.scale", limit="not 0", got=0.0
        )
    if spec.series is not None:
        _check_series(spec.series, contract)


def _check_series(series: Series, contract: ModelContract) -> None:
    """Check that there is a past where the contract says so."""
    where, items = "postprocessing.series", contract.preprocessing
    _check_finite(where, series.scale, series.offset)
    if isinstance(items, TabularPreprocessing):
        numbers = [column.name for column in items.columns if isinstance(column, NumericColumn)]
        if not series.columns or not set(series.columns) <= set(numbers):
            raise _broken(
                "A table's series names columns of numbers, and how many steps before the answer each is.",
                f"{where}.columns",
                limit=numbers,
                got=list(series.columns),
            )
        return
    windows = [spec.name for spec in contract.inputs if len(spec.shape) in _WINDOW_RANKS]
    name = contract.inputs[0].name if series.input is None else series.input
    if not isinstance(items, TensorPreprocessing) or name not in windows or series.columns:
        raise _broken(
            "A series stands in an input of tensors, (rows, steps) or (rows, steps, channels), or in columns of a "
            "table.",
            f"{where}.input",
            limit=windows if isinstance(items, TensorPreprocessing) else [],
            got=name,
        )
    (shape,) = (spec.shape for spec in contract.inputs if spec.name == name)
    channels = shape[2] if len(shape) == max(_WINDOW_RANKS) else 1
    if channels != -1 and series.channel >= channels:
        raise _broken(
            f"Input {name} has {channels} channels, numbered from 0.",
            f"{where}.channel",
            limit=channels - 1,
            got=series.channel,
        )


def _read_output(contract: ModelContract, name: str | None) -> TensorSpec:
    if name is None:
        return contract.outputs[0]
    for spec in contract.outputs:
        if spec.name == name:
            return spec
    raise _broken(
        "Postprocessing reads an output that the contract does not declare.",
        "postprocessing.output",
        limit=[spec.name for spec in contract.outputs],
        got=name,
    )


def _check_shape(tensor: TensorSpec, wanted: tuple[int, ...], why: str) -> None:
    if tensor.shape != wanted:
        raise _broken(
            f"Input {tensor.name} must have shape {list(wanted)}: {why}.",
            f"inputs.{tensor.name}.shape",
            limit=list(wanted),
            got=list(tensor.shape),
        )


def _check_datatype(tensor: TensorSpec, allowed: tuple[str, ...], why: str) -> None:
    if tensor.datatype not in allowed:
        raise _broken(
            f"Tensor {tensor.name} must be {' or '.join(allowed)}: {why}.",
            f"{tensor.name}.datatype",
            limit=list(allowed),
            got=tensor.datatype,
        )


def _check_finite(where: str, *numbers: float) -> None:
    if not all(map(isfinite, numbers)):
        raise _broken(f"{where} must be a finite number.", where)


def _broken(detail: str, field: str, *, limit: Any = None, got: Any = None) -> ModelContractMismatch:
    return ModelContractMismatch(f"The contract contradicts itself: {detail}", field=field, limit=limit, got=got)
