"""A contract drafted from a model's signature, with what a person must check before anybody relies on it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from lambent.contracts.model import (
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    Preprocessing,
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
from lambent_toolkit.modelkit.importing.agreement import contradictions
from lambent_toolkit.modelkit.importing.answer_draft import draft_answer
from lambent_toolkit.modelkit.importing.file_notes import (
    is_scaled_by_channel,
    told_calls,
    told_labels,
    told_scale,
    told_unused,
)
from lambent_toolkit.modelkit.importing.picture_draft import draft_pixels, is_picture, sized, told_steps
from lambent_toolkit.modelkit.importing.signature import Signature

PreprocessingKind = Literal["image", "text", "tabular", "tensor"]
_ROW_RANK = 2
_TEXT_RANK = 2
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
    output: str | None = None,
    size: tuple[int, int] | None = None,
    tokenizer: bytes | None = None,
) -> Draft:
    """Draft a contract.

    Parameters
    ----------
    name            of the model
    signature
    preprocessing   None guesses: image where the only input is [-1, height, width, 1 or 3], tensor otherwise. Text and
                    tables look like any other tensor, so they must be named.
    labels          of a classifier, in the order of its output; two of them also for a single score
    output          name of the output that is answered, where there are several and the labels do not tell
    size            height and width of pictures, where the model leaves them free
    tokenizer       tokenizer.json, for preprocessing text

    Raises
    ------
    NameInvalid
    DraftUndecided   the model cannot be preprocessed so, something is missing, or `import` would refuse the contract
    """
    check_name(name, what="model")
    known, signature = signature, sized(signature, size)
    kind = preprocessing or ("image" if _looks_like_pictures(signature) else "tensor")
    labels, whence = (labels, []) if labels else told_labels(signature, output)
    guess = _text(signature, tokenizer) if kind == "text" else _GUESSES[kind](signature)
    postprocessing, to_check = draft_answer(signature, labels, output)
    contract = ModelContract(
        name=name,
        inputs=_inputs(signature, guess.preprocessing),
        outputs=signature.outputs,
        preprocessing=guess.preprocessing,
        postprocessing=postprocessing,
        rows_per_call=signature.rows_per_call,
        signature=signature.name,
    )
    _check(contract)
    assets = {TOKENIZER_FILE: tokenizer} if tokenizer is not None else {}
    found = [str(each) for each in contradictions(contract, known, assets)]
    if found:
        raise DraftUndecided(f"No contract that could be imported can be drafted of this model: {' '.join(found)}")
    to_check += [*whence, *told_unused(signature), *told_calls(signature)]
    guessed = [] if preprocessing else [f"preprocessing is guessed to be {kind} from the shape of the input."]
    return Draft(contract, guessed + guess.to_check + to_check)


def _inputs(signature: Signature, spec: Preprocessing) -> tuple[TensorSpec, ...]:
    """Return the inputs as they are, but of texts with the one length that those are padded to."""
    if not isinstance(spec, TextPreprocessing) or spec.pad_to == "longest":
        return signature.inputs
    return tuple(
        msgspec.structs.replace(each, shape=(each.shape[0], spec.max_tokens)) if len(each.shape) == _TEXT_RANK else each
        for each in signature.inputs
    )


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
        and is_picture(signature.inputs[0])
        and not is_scaled_by_channel(signature, signature.inputs[0])
    )


def _image(signature: Signature) -> _Guess:
    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or not is_picture(spec):
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
        scale, offset, why = draft_pixels(signature, spec.name)
    preprocessing = ImagePreprocessing(
        height=height, width=width, channels=1 if channels == 1 else 3, scale=scale, offset=offset
    )
    order = "grey" if channels == 1 else "RGB"
    idle = ", ".join(signature.paths[spec.name].idle) if spec.name in signature.paths else ""
    return _Guess(
        preprocessing,
        [
            f"pixels become value * {scale:.6g} + {offset:.6g}: {why}.",
            f"channels are {order}; a picture is stretched bilinearly to {height} x {width} (resize, fit, decode).",
            *([f"augmentation ({idle}) acts in training only and changes nothing here."] if idle else []),
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
        # Without a mask, a model may take padding for text: then an answer would depend on the other texts of a call.
        pad_to="longest" if length < 0 and mask else "max_tokens",
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
    steps = told_steps(signature, spec.name)
    columns = tuple(NumericColumn(name=f"column_{index + 1}") for index in range(spec.shape[1]))
    return _Guess(
        TabularPreprocessing(columns=columns),
        [
            f"{len(columns)} numeric columns stand for the real ones: fill in names, mean and std, vocabularies.",
            *([f"mean 0 and std 1 have to stay, since the model itself standardizes: {steps}."] if steps else []),
        ],
    )


def _tensors(signature: Signature) -> _Guess:
    told = ["callers send the tensors themselves, prepared as in training."]
    for spec in signature.inputs:
        if steps := told_steps(signature, spec.name):
            told.append(f"{spec.name} is prepared by the model itself ({steps}): not twice.")
        if is_picture(spec, is_sized=False) and not is_picture(spec):
            told.append(f"{spec.name} takes pictures of any size: with --size HEIGHTxWIDTH callers send pictures.")
    return _Guess(TensorPreprocessing(), told)


_GUESSES = {"image": _image, "tabular": _table, "tensor": _tensors}


def _told(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs)
