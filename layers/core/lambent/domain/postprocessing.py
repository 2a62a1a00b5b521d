"""Outputs into answers: labels with scores, a number with its unit, or the outputs themselves by their names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from lambent.contracts.media import (
    ClassPrediction,
    LabelScore,
    NamedTensor,
    Prediction,
    TensorsPrediction,
    ValuePrediction,
)
from lambent.contracts.model import Classification, ModelContract, RawOutputs, Regression, TensorSpec
from lambent.contracts.tensor import Array
from lambent.domain.answer_size import BINARY_WAY, check_json_size
from lambent.errors import ModelContractMismatch, OutputNotJson

_DIGITS = 6
_BINARY = 2


def postprocess(outputs: Mapping[str, Array], contract: ModelContract, *, top_k: int) -> list[Prediction]:
    """Return each row's answer, as the contract's postprocessing declares it.

    Parameters
    ----------
    outputs       the interpreter's, by name
    contract
    top_k : int   how many labels to answer a row, from 1

    Raises
    ------
    ModelContractMismatch   the model answered a number that is not finite, where the contract declares labels or one
                            number; or an output has no row for each item
    OutputNotJson           see `name_rows`
    """
    spec = contract.postprocessing
    if isinstance(spec, RawOutputs):
        return [*name_rows(outputs, contract)]
    rows = outputs[spec.output or contract.outputs[0].name]
    rows = rows.reshape(len(rows), -1)
    if isinstance(spec, Classification):
        return [*classify_rows(rows, spec, top_k=top_k)]
    return [*scale_rows(rows, spec)]


def classify_rows(rows: Array, spec: Classification, *, top_k: int) -> list[ClassPrediction]:
    """Return the best labels of each row.

    Parameters
    ----------
    rows : ndarray   float, shape (rows, labels): scores, or logits where ``spec.activation`` is left to do; (rows, 1)
                     for two labels, see `per_label`
    spec             the contract's classification
    top_k : int      how many labels to answer a row, from 1

    Returns
    -------
    one prediction a row; ``top`` in falling order of score, equal scores in the order of the labels; scores rounded to
    six digits, which is also what the threshold is held against

    Raises
    ------
    ModelContractMismatch   a score is not finite
    """
    scores = activate(rows, spec)
    _check_finite(scores)
    return [_best(row, spec, min(top_k, len(spec.labels))) for row in scores]


def activate(rows: Array, spec: Classification) -> Array:
    """Return scores of a model's output, shape (rows, labels), from one number a label, or one for two of them.

    float64 where there is an activation or a temperature to apply, else ``rows`` themselves. A temperature of sigmoid
    scores divides each label's own logit; one above 1 draws them towards one half.

    Raises
    ------
    ModelContractMismatch   a temperature for scores that are no probabilities, because one is negative
    """
    rows, spec = per_label(rows, spec)
    if spec.activation == "none":
        return rows if spec.temperature == 1.0 else temper(rows, spec.temperature)
    logits = rows.astype(np.float64) / spec.temperature
    if spec.activation == "sigmoid":
        # The same function without the overflow of exp(-logit) for a very negative logit.
        sigmoid: Array = 0.5 * (1.0 + np.tanh(0.5 * logits))
        return sigmoid
    powers: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def per_label(rows: Array, spec: Classification) -> tuple[Array, Classification]:
    """Return one number a label, and the classification that says what is left to do to them.

    A binary classifier answers one number for two labels. If it is the score p of the second, the rows become
    [1 - p, p]; if it is a logit z, [0, z] for a softmax: softmax([0, z] / T) = [1 - sigmoid(z / T), sigmoid(z / T)].
    All other rows are returned as they are.
    """
    if rows.shape[1] != 1 or len(spec.labels) != _BINARY:
        return rows, spec
    if spec.activation == "none":
        return np.concatenate([1 - rows, rows], axis=1), spec
    return np.concatenate([np.zeros_like(rows), rows], axis=1), replace(spec, activation="softmax")


def temper(probabilities: Array, temperature: float) -> Array:
    """Return ``p ** (1/T)``, each row normalized to one: equal to softmax(logits / T) where p was softmax(logits).

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. A probability of zero, which is what quantized
    outputs round to, stays zero; a row of zeros only, which tells nothing, becomes an even one.

    Raises
    ------
    ModelContractMismatch   a score is negative
    """
    if (probabilities < 0).any():
        raise ModelContractMismatch(
            "A temperature needs probabilities, but the model answered a negative score: declare the activation that "
            "its output still needs.",
            field="postprocessing.temperature",
        )
    largest = probabilities.max(axis=1, keepdims=True).astype(np.float64)
    # NaN and infinity stay what they are, for whoever checks the scores.
    with np.errstate(invalid="ignore"):
        ratios = np.divide(probabilities, largest, out=np.ones(probabilities.shape), where=largest != 0)
    powers: Array = ratios ** (1.0 / temperature)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def scale_rows(rows: Array, spec: Regression) -> list[ValuePrediction]:
    """Return the number of each row, shape (rows, 1), in the contract's unit; raises ModelContractMismatch."""
    values = rows[:, 0].astype(np.float64) * spec.scale + spec.offset
    _check_finite(values)
    return [ValuePrediction(value, spec.unit) for value in values.tolist()]


def name_rows(outputs: Mapping[str, Array], contract: ModelContract) -> list[TensorsPrediction]:
    """Return each row's outputs as they are, in the contract's order.

    Raises
    ------
    ModelContractMismatch   an output has no row for each item
    OutputNotJson           NaN, infinity, or more than `MOST_JSON_NUMBERS` of an item
    """
    check_json_size(contract)
    arrays = [(spec, outputs[spec.name]) for spec in contract.outputs]
    counts = {len(array) for _, array in arrays}
    if len(counts) > 1:
        raise ModelContractMismatch("An output of the model has no row for each item.", field="outputs")
    for spec, array in arrays:
        _check_json(spec.name, array)
    return [TensorsPrediction([_named(spec, array[row]) for spec, array in arrays]) for row in range(counts.pop())]


def _named(spec: TensorSpec, row: Array) -> NamedTensor:
    # FP16 has no encoder; 32 bits hold the same number.
    numbers = row.astype(np.float32) if row.dtype == np.float16 else row
    return NamedTensor(spec.name, spec.datatype, list(row.shape), np.ascontiguousarray(numbers).reshape(-1))


def _check_json(name: str, array: Array) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise OutputNotJson(
            f"Output {name} holds {int(np.count_nonzero(~np.isfinite(array)))} numbers that are NaN or infinite, which "
            f"JSON does not have; {BINARY_WAY}",
            field=f"outputs.{name}",
        )


def _best(row: Array, spec: Classification, top_k: int) -> ClassPrediction:
    # The threshold sees what the caller sees: 0.7 as FP32 lies a little below 0.7.
    scored = ((index, round(score, _DIGITS)) for index, score in _largest(row, top_k))
    top = [LabelScore(spec.labels[index], score) for index, score in scored if score >= spec.threshold]
    return ClassPrediction(top[0].label, top[0].score, top) if top else ClassPrediction(None, None, top)


def _largest(row: Array, top_k: int) -> list[tuple[int, float]]:
    """Return indices and values of the ``top_k`` largest, without sorting the rest; equal ones by rising index."""
    if top_k < len(row):
        # All that are not smaller than the k-th largest: argpartition would choose among equal ones as it likes.
        last = np.partition(row, -top_k)[-top_k]
        candidates = np.flatnonzero(row >= last)
    else:
        candidates = np.arange(len(row))
    found = row[candidates]
    order = np.argsort(-found, kind="stable")[:top_k]
    return list(zip(candidates[order].tolist(), found[order].tolist(), strict=True))


def _check_finite(values: Array) -> None:
    if not np.isfinite(values).all():
        raise ModelContractMismatch(
            "The model answered a number that is not finite (NaN or infinity) for this input.", field="outputs"
        )
