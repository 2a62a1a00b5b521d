"""A contract drafted from a model's signature, with what a person must check before anybody relies on it."""

from __future__ import annotations

from math import prod
from typing import Literal, NamedTuple

from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    Postprocessing,
    Preprocessing,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.contract_check import check_contract
from lambent.domain.model import TOKENIZER_FILE, digest
from lambent.domain.names import check_name
from lambent.errors import ModelContractMismatch
from lambent_toolkit.modelkit.errors import DraftUndecided
from lambent_toolkit.modelkit.importing.file_notes import is_scaled_by_channel, told_calls, told_labels, told_scale
from lambent_toolkit.modelkit.importing.signature import Signature

PreprocessingKind = Literal["image", "text", "tabular", "tensor"]
_PICTURE_RANK = 4
_ROW_RANK = 2
_MAX_TOKENS = 128


class Draft(NamedTuple):
    """A contract, and what in it is a guess that only a person can confirm, as sentences."""

    contract: ModelContract
    to_check: list[str]


class _Guess(NamedTuple):
    preprocessing: Preprocessing
    to_check: list[str]


def draft_contract(
    name: str,
    signature: Signature,
    *,
    preprocessing: PreprocessingKind | None = None,
    labels: tuple[str, ...] = (),
    tokenizer: bytes | None = None,
) -> Draft:
    """Draft a contract.

    Parameters
    ----------
    name            of the model
    signature
    preprocessing   None guesses: image where the only input is [-1, height, width, 1 or 3], tensor otherwise. Text and
                    tables look like any other tensor, so they must be named.
    labels          of a classifier, in the order of its output
    tokenizer       tokenizer.json, for preprocessing text

    Raises
    ------
    NameInvalid
    DraftUndecided   the model cannot be preprocessed so, or something is missing
    """
    check_name(name, what="model")
    kind = preprocessing or ("image" if _looks_like_pictures(signature) else "tensor")
    labels, whence = (labels, []) if labels else told_labels(signature)
    guess = _text(signature, tokenizer) if kind == "text" else _GUESSES[kind](signature)
    postprocessing, to_check = _postprocessing(signature, labels)
    contract = ModelContract(
        name=name,
        inputs=signature.inputs,
        outputs=signature.outputs,
        preprocessing=guess.preprocessing,
        postprocessing=postprocessing,
        rows_per_call=signature.rows_per_call,
        signature=signature.name,
    )
    _check(contract)
    to_check += [*whence, *told_calls(signature)]
    guessed = [] if preprocessing else [f"preprocessing is guessed to be {kind} from the shape of the input."]
    return Draft(contract, guessed + guess.to_check + to_check)


def _check(contract: ModelContract) -> None:
    """Hold a draft to what import holds a contract to; raises DraftUndecided."""
    try:
        check_contract(contract)
    except ModelContractMismatch as exc:
        detail = exc.detail.removeprefix("The contract contradicts itself: ")
        raise DraftUndecided(
            f"No contract of that kind fits this model: {detail} It has {_told(contract.inputs)} and gives "
            f"{_told(contract.outputs)}. Use --preprocessing tensor without --labels, or convert it with a free batch."
        ) from exc


def _looks_like_pictures(signature: Signature) -> bool:
    return (
        len(signature.inputs) == 1
        and _is_picture(signature.inputs[0])
        and not is_scaled_by_channel(signature, signature.inputs[0])
    )


def _is_picture(spec: TensorSpec) -> bool:
    return (
        len(spec.shape) == _PICTURE_RANK
        and spec.shape[0] == -1
        and min(spec.shape[1:3]) > 0
        and spec.shape[3] in (1, 3)
        and spec.datatype in ("FP32", "UINT8")
    )


def _image(signature: Signature) -> _Guess:
    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or not _is_picture(spec):
        raise DraftUndecided(
            f"Preprocessing image fills one input of shape [-1, height, width, 1 or 3], FP32 or UINT8; this model has "
            f"{_told(signature.inputs)}. Use --preprocessing tensor, or convert the model with a free batch dimension."
        )
    _, height, width, channels = spec.shape
    kept = signature.quantized.get(spec.name)
    if spec.datatype == "UINT8":
        scale, offset, why = 1.0, 0.0, "the input takes the pixels themselves"
    elif kept is not None and kept.datatype in ("UINT8", "INT8"):
        # The 256 kept values stand for the 256 of a pixel: that is how such a file was calibrated.
        first = kept.zero_point if kept.datatype == "UINT8" else kept.zero_point + 128
        scale, offset = kept.scale, -first * kept.scale
        why = f"taken from how the file quantizes its input ({kept.datatype}, scale {kept.scale:g})"
    elif (told := told_scale(signature, spec)) is not None:
        scale, offset, why = told
    else:
        scale, offset, why = 1 / 255, 0.0, "the commonest choice; MobileNet for one wants 2/255 and -1"
    preprocessing = ImagePreprocessing(
        height=height, width=width, channels=1 if channels == 1 else 3, scale=scale, offset=offset
    )
    order = "grey" if channels == 1 else "RGB"
    return _Guess(
        preprocessing,
        [
            f"pixels become value * {scale:.6g} + {offset:.6g}: {why}.",
            f"channels are {order}; a picture is stretched bilinearly to {height} x {width} (resize, fit, decode).",
        ],
    )


def _text(signature: Signature, tokenizer: bytes | None) -> _Guess:
    if tokenizer is None:
        raise DraftUndecided(f"Preprocessing text needs the {TOKENIZER_FILE} that the model was trained with.")
    names = [spec.name for spec in signature.inputs]
    mask = next((name for name in names if "mask" in name), None)
    types = next((name for name in names if "type" in name or "segment" in name), None)
    ids = [name for name in names if name not in (mask, types)]
    if len(ids) != 1:
        raise DraftUndecided(f"Which of the inputs {names} takes the token ids cannot be told from their names.")
    length = signature.inputs[names.index(ids[0])].shape[-1]
    preprocessing = TextPreprocessing(
        tokenizer_sha256=digest(tokenizer),
        max_tokens=length if length > 0 else _MAX_TOKENS,
        ids_input=ids[0],
        mask_input=mask,
        types_input=types,
        pad_to="max_tokens" if length > 0 else "longest",
    )
    return _Guess(
        preprocessing,
        [
            f"token ids go to {ids[0]}, the mask to {mask or 'no input'}, token types to {types or 'no input'}.",
            f"texts of more than {preprocessing.max_tokens} tokens are refused (too_long); padding is id 0 (pad_id).",
        ],
    )


def _table(signature: Signature) -> _Guess:
    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or len(spec.shape) != _ROW_RANK or spec.shape[1] < 1:
        raise DraftUndecided(
            f"Preprocessing tabular fills one input of shape [-1, numbers]; this model has {_told(signature.inputs)}."
        )
    columns = tuple(NumericColumn(name=f"column_{index + 1}") for index in range(spec.shape[1]))
    return _Guess(
        TabularPreprocessing(columns=columns),
        [
            f"{len(columns)} numeric columns stand for the real ones: fill in names, mean and std, vocabularies.",
        ],
    )


def _tensors(_signature: Signature) -> _Guess:
    return _Guess(TensorPreprocessing(), ["callers send the tensors themselves, prepared as in training."])


_GUESSES = {"image": _image, "tabular": _table, "tensor": _tensors}


def _postprocessing(signature: Signature, labels: tuple[str, ...]) -> tuple[Postprocessing, list[str]]:
    spec = signature.outputs[0]
    if not labels:
        if spec.shape == (-1, 1):
            return Regression(), ["one number a row is answered as it is (postprocessing.scale, offset, unit)."]
        return RawOutputs(), ["the outputs are the answer; name --labels to make it a classifier."]
    numbers = prod(spec.shape[1:])
    if numbers != len(labels):
        raise DraftUndecided(
            f"{len(labels)} labels were given, but output {spec.name} has {numbers} numbers a row: name one label a "
            "number, in the model's order."
        )
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    told = f"output {spec.name} is taken to hold probabilities already (postprocessing.activation none)."
    if signature.activation == "linear":
        activation, told = "softmax", f"output {spec.name} looks like logits, so softmax is applied to it."
    return Classification(labels=labels, activation=activation), [f"the labels' order is the model's. {told}"]


def _told(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs)
