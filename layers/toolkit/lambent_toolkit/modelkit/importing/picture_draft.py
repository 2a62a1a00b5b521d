"""How pictures become a model's input, in a drafted contract: size and range of pixels."""

from __future__ import annotations

from dataclasses import replace
from math import isclose

import msgspec

from lambent.contracts.model import ImagePreprocessing, ModelContract, TensorSpec
from lambent_toolkit.modelkit.errors import DraftUndecided
from lambent_toolkit.modelkit.importing.pixel_range import PIXELS_AS_THEY_ARE, UNIT, reading_of
from lambent_toolkit.modelkit.importing.signature import Signature

_PICTURE_RANK = 4
_NEAR = 0.05  # 1/256 is as good as 1/255


def is_picture(spec: TensorSpec, *, is_sized: bool = True) -> bool:
    """Return whether an input takes pictures; unless ``is_sized``, also of a size that the model leaves free."""
    return (
        len(spec.shape) == _PICTURE_RANK
        and spec.shape[0] == -1
        and (min(spec.shape[1:3]) > 0 or not is_sized)
        and spec.shape[3] in (1, 3)
        and spec.datatype in ("FP32", "UINT8")
    )


def draft_pixels(signature: Signature, name: str) -> tuple[float, float, str]:
    """Return scale and offset of pixels for an input of floats, and why: what the model's own graph tells of them."""
    path, gap, steps = signature.paths.get(name), signature.tried.picture_gap, told_steps(signature, name)
    tried = "" if gap is None else f". Noise of 0 to 255 and the same of 0 to 1 are answered up to {gap:.3g} apart"
    if path and path.behind and not steps:
        behind = ", then ".join(path.behind)
        return 1.0, 0.0, f"most likely, since pixels of 0 to 255 are prepared by {behind}, behind {path.learns}{tried}"
    if path is None or not steps:
        where = "; what a converted file does to pixels first cannot be told from it" if signature.is_named else ""
        if path and path.learns:
            where = f"; before {path.learns} the model prepares nothing itself"
        return 1 / 255, 0.0, f"the commonest choice; MobileNet for one wants 2/255 and -1{where}{tried}"
    reading = reading_of(path)
    if reading is None:
        reached = "; ".join(
            f"{each.name} reaches {path.learns} as {path.reached(each)[0]:.3g} to {path.reached(each)[1]:.3g}"
            for each in (PIXELS_AS_THEY_ARE, UNIT)
            if path.levels
        )
        reached = reached or "nothing learns from it"
        return (
            1 / 255,
            0.0,
            f"a guess, since the model prepares its input itself by {steps}: {reached}{tried}",
        )
    black, white = path.reached(reading)
    reached = f"black to white reach {path.learns} as {black:.3g} to {white:.3g}"
    return reading.scale, reading.offset, f"the model itself prepares pixels of {reading.name} by {steps}: {reached}"


def doubts(contract: ModelContract, signature: Signature) -> tuple[str, ...]:
    """Return where a contract scales pixels otherwise than the model's own graph asks for.

    It may be right all the same: a model can have been trained on pixels that were scaled twice.
    """
    spec = contract.preprocessing
    if not isinstance(spec, ImagePreprocessing) or len(signature.inputs) != 1:
        return ()
    name = signature.inputs[0].name
    path = signature.paths.get(name)
    reading = reading_of(path) if path and path.steps else None
    if path and path.behind and not path.steps:
        reading = PIXELS_AS_THEY_ARE
    if path is None or reading is None:
        return ()
    by = told_steps(signature, name) or ", then ".join(path.behind)
    is_near = isclose(spec.scale, reading.scale, rel_tol=_NEAR) and abs(spec.offset - reading.offset) < _NEAR
    told = (
        f"the contract makes pixels value * {spec.scale:.6g} + {spec.offset:.6g}, but the model itself prepares pixels "
        f"of {reading.name} ({by}), which is scale {reading.scale:.6g} and offset "
        f"{reading.offset:g}: unless it was trained so, its answers are wrong"
    )
    return () if is_near else (told,)


def told_steps(signature: Signature, name: str) -> str:
    """Return what a model does to an input before it learns from it, in words; empty if it does nothing."""
    path = signature.paths.get(name)
    return ", then ".join(path.steps) if path else ""


def sized(signature: Signature, size: tuple[int, int] | None) -> Signature:
    """Return a signature whose pictures have the size that was given."""
    if size is None:
        return signature
    spec = signature.inputs[0]
    if len(signature.inputs) != 1 or len(spec.shape) != _PICTURE_RANK:
        shapes = ", ".join(f"{each.name} {list(each.shape)}" for each in signature.inputs)
        raise DraftUndecided(f"A size is for one input of pictures; this model has {shapes}.")
    if any(side not in (-1, given) for side, given in zip(spec.shape[1:3], size, strict=True)):
        raise DraftUndecided(
            f"The model takes pictures of {spec.shape[1]} x {spec.shape[2]}, height x width, not {size[0]} x {size[1]}."
        )
    fixed = msgspec.structs.replace(spec, shape=(spec.shape[0], *size, spec.shape[3]))
    return replace(signature, inputs=(fixed,))
