"""What a draft takes from the file itself: how it is called, and what its maker says of labels and pixels."""

from __future__ import annotations

from math import prod

from lambent.contracts.model import TensorSpec
from lambent_toolkit.modelkit.errors import DraftUndecided
from lambent_toolkit.modelkit.importing.signature import Signature
from lambent_toolkit.modelkit.importing.tflite_metadata import TensorNotes


def told_labels(signature: Signature, output: str | None = None) -> tuple[tuple[str, ...], list[str]]:
    """Return the labels that a file brings for an output, its first if none is named, and sentences on them.

    There are none if they do not fit.
    """
    spec = next((each for each in signature.outputs if each.name == output), signature.outputs[0])
    own = signature.notes.get(spec.name)
    labels = own.labels if own and own.labels else signature.packed_labels
    damaged = ["what is packed with the file (metadata, labels) is damaged, and not used."]
    sentences = damaged if signature.has_damaged_notes else []
    others = [
        each.name
        for each in signature.outputs
        if each.name != spec.name and (note := signature.notes.get(each.name)) and note.labels
    ]
    if others and not labels:
        sentences.append(f"the file brings labels for {', '.join(others)}, not for {spec.name} (--output chooses).")
    if not labels:
        return (), sentences
    numbers = prod(spec.shape[1:])
    if numbers != len(labels):
        sentences.append(
            f"the file brings {len(labels)} labels, but {spec.name} has {numbers} numbers a row: not used."
        )
        return (), sentences
    return labels, [*sentences, f"the {len(labels)} labels are those that are packed with the file."]


def told_scale(signature: Signature, spec: TensorSpec) -> tuple[float, float, str] | None:
    """Return scale and offset of pixels as the file's maker tells them, and the words for it; None if not told.

    Raises
    ------
    DraftUndecided   they are others for each channel
    """
    note = signature.notes.get(spec.name)
    if note is None:
        return None
    if not note.mean or not note.std or 0.0 in note.std:
        return _scale_of_range(note)
    mean, std = note.mean[0], note.std[0]
    if is_scaled_by_channel(signature, spec):
        raise DraftUndecided(
            f"The file's metadata scales each channel of {spec.name} for itself (mean {list(note.mean)}, std "
            f"{list(note.std)}), which no contract has: use --preprocessing tensor, and let callers scale."
        )
    return 1 / std, -mean / std, f"as the file's metadata says (mean {mean:g}, std {std:g})"


def _scale_of_range(note: TensorNotes) -> tuple[float, float, str] | None:
    """Return how black and white become the least and the largest number that the maker tells."""
    lows, highs = set(note.low), set(note.high)
    if len(lows) != 1 or len(highs) != 1 or note.low[0] >= note.high[0]:
        return None
    low, high = note.low[0], note.high[0]
    return (high - low) / 255, low, f"the file's metadata says that its numbers go from {low:g} to {high:g}"


def told_unused(signature: Signature) -> list[str]:
    """Return what the file's maker tells of tensors that would change answers, and is not followed."""
    told = {name: note.unused for name, note in signature.notes.items() if note.unused}
    return [
        f"the file's metadata tells of {name}: {', '.join(unused)}. That is not followed: answers are the model's own."
        for name, unused in told.items()
    ]


def is_scaled_by_channel(signature: Signature, spec: TensorSpec) -> bool:
    """Return whether the file's maker tells another mean or std for each channel, which no contract has."""
    note = signature.notes.get(spec.name)
    return (
        note is not None
        and spec.name not in signature.quantized
        and (len(set(note.mean)) > 1 or len(set(note.std)) > 1)
    )


def told_calls(signature: Signature) -> list[str]:
    """Return what was found of how the file is called."""
    told = []
    if signature.name is not None:
        told.append(f"these are the tensors of its signature {signature.name}.")
    if signature.is_tflite and not signature.is_named:
        told.append("the file has no signature: names are made of its graph's and may be changed, their order may not.")
    if signature.rows_per_call is not None:
        told.append(
            f"the file is called with {signature.rows_per_call} row(s) at a time, as it was converted "
            "(rows_per_call): that it answers more at once as it answers each alone was tried, and could not be shown."
        )
    elif signature.stored is not None:
        told.append(
            "the file was converted for one row a call; resized for several it answers each as alone (tried on noise)."
        )
    return told
