"""Whether padding decides what a text model answers: then a text's answer would depend on its neighbours of a call."""

from __future__ import annotations

from collections.abc import Mapping

from lambent.contracts.model import ModelContract, TextPreprocessing
from lambent.domain.model import KERAS_FILE, TFLITE_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ContractDisagrees, ServingCheckFailed
from lambent_toolkit.modelkit.importing.golden_items import keras_padding, tflite_padding

# Shares of the largest output: float kernels add in another order; a file may quantize its activations at every call.
_FLOAT_SHARE, _FILE_SHARE = 1e-3, 1e-2
_STEPS = 1.5


def check_padding(
    files: Mapping[str, bytes],
    contract: ModelContract,
    request: GoldenVectors,
    assets: Mapping[str, bytes],
    *,
    output_step: float,
    is_float: bool,
) -> None:
    """Check that texts padded to the longest of a call are answered as they are alone.

    Parameters
    ----------
    files         model.keras, or model.tflite
    request       raw texts
    output_step   of a quantized output, 0 if there is none
    is_float      whether the file computes in 32-bit floats throughout

    Raises
    ------
    ContractDisagrees   they are not, or the model does not survive a short text alone
    """
    spec = contract.preprocessing
    if not isinstance(spec, TextPreprocessing) or spec.pad_to != "longest":
        return
    try:
        if KERAS_FILE in files:
            effect = keras_padding(files[KERAS_FILE], contract, request, assets)
        else:
            effect = tflite_padding(files[TFLITE_FILE], contract, request, assets)
    except ServingCheckFailed as exc:
        raise ContractDisagrees(
            f"preprocessing.pad_to: the model does not answer a short text alone, as it comes padded to the longest of "
            f"a call ({exc}) {_fix(spec)}"
        ) from exc
    allowed = (_FLOAT_SHARE if is_float else _FILE_SHARE) * effect["largest"] + _STEPS * output_step
    if not effect["difference"] <= allowed:
        raise ContractDisagrees(
            f"preprocessing.pad_to: expected the same answer to a text alone and beside a longer one (within "
            f"{allowed:.2g}), got one that padding changes by up to {effect['difference']:.2g}: the model does not "
            f"mask what it is padded with. {_fix(spec)}"
        )


def _fix(spec: TextPreprocessing) -> str:
    return (
        f'Set pad_to to "max_tokens" and the shape of the text inputs to [-1, {spec.max_tokens}], or import a model '
        "that masks its padding."
    )
