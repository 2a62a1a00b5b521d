"""The answer in a drafted contract: which output it is read from, and what the model leaves to do to its numbers."""

from __future__ import annotations

from math import prod
from typing import Literal

from lambent.contracts.model import Classification, Postprocessing, RawOutputs, Regression, TensorSpec
from lambent_toolkit.modelkit.errors import DraftUndecided
from lambent_toolkit.modelkit.importing.signature import Signature

Activation = Literal["none", "softmax", "sigmoid"]
_BINARY = 2
_SIGMOIDS = ("sigmoid", "hard_sigmoid")
_FLOATS = ("FP16", "FP32", "FP64")
# Of which a few answers between 0 and 1 say nothing: others are not.
_FREE_FUNCTIONS = """
    celu elu exponential gelu glu hard_shrink hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid log_softmax
    mish relu relu6 selu silu soft_shrink softplus softsign squareplus swish tanh tanh_shrink threshold
"""
_FREE = frozenset(_FREE_FUNCTIONS.split())
_NEVER_BELOW_0 = frozenset({"exponential", "relu", "relu6", "softplus", "squareplus"})


def draft_answer(signature: Signature, labels: tuple[str, ...], output: str | None) -> tuple[Postprocessing, list[str]]:
    """Return the postprocessing, and what in it is a guess.

    Raises
    ------
    DraftUndecided   no output has a number a label, or several have and none is named
    """
    spec = _main_output(signature, labels, output)
    if spec is None:
        names = ", ".join(each.name for each in signature.outputs)
        return RawOutputs(), [f"the outputs {names} are the answer; name --labels, or --output NAME for one number."]
    name = spec.name if len(signature.outputs) > 1 else None
    if labels:
        activation, told = _activation(signature, spec, labels)
        of = f"the labels are those of output {spec.name}. " if name else ""
        answer = Classification(labels=labels, output=name, activation=activation)
        return answer, [f"{of}the labels' order is the model's. {told}"]
    if spec.shape == (-1, 1):
        return Regression(output=name), [_told_number(signature, spec)]
    if output is not None:
        raise DraftUndecided(
            f"Output {output} has the shape {list(spec.shape)}, of which no answer can be made without --labels: leave "
            "--output out, and all outputs are answered as they are."
        )
    return RawOutputs(), ["the outputs are the answer; name --labels to make it a classifier."]


def _main_output(signature: Signature, labels: tuple[str, ...], output: str | None) -> TensorSpec | None:
    """Return the output that is answered; None if it is all of them."""
    outputs = signature.outputs
    if output is not None:
        found = [spec for spec in outputs if spec.name == output]
        if not found:
            raise DraftUndecided(f"The model has no output {output}, but {_widths(outputs)}.")
        outputs = tuple(found)
    if len(outputs) == 1:
        if labels and outputs[0].datatype not in _FLOATS:
            raise DraftUndecided(_no_scores(outputs[0]))
        if labels and not _fits(outputs[0], labels):
            raise DraftUndecided(_unfit(outputs[0], labels))
        return outputs[0]
    if not labels:
        return None
    exact = [spec for spec in outputs if _width(spec) == len(labels) and spec.datatype in _FLOATS]
    fitting = exact or [spec for spec in outputs if _fits(spec, labels) and spec.datatype in _FLOATS]
    if len(fitting) != 1:
        which = "Several outputs have" if fitting else "No output has"
        raise DraftUndecided(
            f"{which} a number for each of {len(labels)} labels: the model gives {_widths(outputs)}. Name the one that "
            "the labels are of by --output, and one label a number."
        )
    return fitting[0]


def _fits(spec: TensorSpec, labels: tuple[str, ...]) -> bool:
    return _width(spec) == len(labels) or (_width(spec) == 1 and len(labels) == _BINARY)


def _unfit(spec: TensorSpec, labels: tuple[str, ...]) -> str:
    numbers = _width(spec)
    if numbers is None:
        return f"Output {spec.name} has the shape {list(spec.shape)}: labels need one number each in every row."
    more = " (or two labels for one number: of its absence, then of its presence)" if numbers == 1 else ""
    return (
        f"{len(labels)} labels were given, but output {spec.name} has {numbers} numbers a row: name one label a "
        f"number, in the model's order{more}."
    )


def _no_scores(spec: TensorSpec) -> str:
    return (
        f"Output {spec.name} holds {spec.datatype} {list(spec.shape)}, which may be numbers of classes that the model "
        "has chosen, but are no scores: labels need scores (FP16, FP32 or FP64). Export the model without its last "
        "step (argmax, a comparison, a cast), or leave --labels out, and the output is answered as it is."
    )


def _width(spec: TensorSpec) -> int | None:
    return None if -1 in spec.shape[1:] else prod(spec.shape[1:])


def _widths(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs)


def _activation(signature: Signature, spec: TensorSpec, labels: tuple[str, ...]) -> tuple[Activation, str]:
    """Return what is left to do: by the numbers that the model answered, and by its graph where they leave it open."""
    function, kind = signature.activations.get(spec.name), signature.tried.kinds.get(spec.name)
    by = f" (its graph ends in {function})" if function not in (None, "linear") else ""
    if kind == "shares":
        raise DraftUndecided(_told_shares(spec.name))
    if _width(spec) == 1:
        return _activation_of_one(spec.name, function, kind, labels)
    if kind == "probabilities" or (kind is None and function == "softmax"):
        return "none", f"output {spec.name} holds probabilities already{by}: postprocessing.activation is none."
    if kind == "log_probabilities" or (kind is None and function == "log_softmax"):
        return "softmax", f"output {spec.name} holds logarithms of probabilities{by}, so softmax is applied to it."
    if function in _SIGMOIDS or (kind == "unit" and function not in _FREE):
        return "none", (
            f"output {spec.name} scores each label for itself, from 0 to 1{by}; the best one is answered first. "
            "`quantize` and `evaluate` take one true label an item: of items with several, their accuracy says nothing."
        )
    if kind is None and function is None:
        return "none", f"output {spec.name} is taken to hold probabilities already (postprocessing.activation none)."
    return "softmax", f"output {spec.name} looks like logits{by}, so softmax is applied to it{_unsure(function)}."


def _told_shares(name: str) -> str:
    return (
        f"The numbers of output {name} have the same sum in every row, which is not 1: they are shares, such as "
        "percentages, and neither scores nor logits. Divide them by that sum in the model, or end it in the softmax."
    )


def _unsure(function: str | None) -> str:
    """Return a warning where numbers that are taken for logits come out of a function that cuts them off."""
    if function in (None, "linear", "log_sigmoid") or function not in _FREE:
        return ""
    return (
        f", but the {function} before it cuts logits off: the order of the labels is the model's, how sure it is shows "
        "only once `evaluate` has set a temperature. End the model in a linear layer if you can"
    )


def _activation_of_one(
    name: str, function: str | None, kind: str | None, labels: tuple[str, ...]
) -> tuple[Activation, str]:
    if function == "softmax":
        raise DraftUndecided(
            f"Output {name} is a softmax of one number, which is 1 whatever the input: end the model in Dense(1, "
            'activation="sigmoid"), or in one number a label.'
        )
    if function in _NEVER_BELOW_0 and len(labels) == _BINARY:
        raise DraftUndecided(
            f"Output {name} ends in {function}, which is never below 0: as a logit it would answer {labels[1]} always, "
            'and a score it is not. End the model in Dense(1, activation="sigmoid").'
        )
    is_score = function in _SIGMOIDS or (kind == "unit" and function not in _FREE)
    activation: Activation = "none" if is_score else "sigmoid"
    made = "its score p" if is_score else "p, the sigmoid of its logit"
    if len(labels) == _BINARY:
        more = _unsure(function)
        return activation, f"output {name} has one number: {labels[1]} gets {made}, {labels[0]} gets 1 - p{more}."
    return activation, f"output {name} has one number: {labels[0]} gets {made}."


def _told_number(signature: Signature, spec: TensorSpec) -> str:
    if signature.activations.get(spec.name) in _SIGMOIDS:
        return (
            f"output {spec.name} is a sigmoid: a classifier of two classes, most likely. Name both --labels, that of 0 "
            "first; without, the number is answered as it is (postprocessing.scale, offset, unit)."
        )
    return "one number a row is answered as it is (postprocessing.scale, offset, unit)."
