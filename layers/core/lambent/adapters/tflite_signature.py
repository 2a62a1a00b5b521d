"""Which tensors of a .tflite file a contract means: those of one of its signatures, or by their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lambent.adapters.file_tensor import FileTensor
from lambent.contracts.model import ModelContract, TensorSpec
from lambent.errors import ModelContractMismatch

DEFAULT_SIGNATURE = "serving_default"
Named = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class FileSignature:
    """What a file takes and gives.

    Parameters
    ----------
    inputs, outputs   name and the runtime's details of each, in the file's order
    is_named          whether a contract must use these names. A file without a signature (TensorFlow 1, concrete
                      functions) is taken by the order of its tensors, whose names are the graph's own.
    runner            computes this one of several signatures; None where there is no other, so that it is the file's
                      main graph
    name              of the signature, where it was asked for by name
    """

    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]
    is_named: bool = True
    runner: Any = None
    name: str | None = None


def choose_signature(runtime: Any, wanted: str | None) -> FileSignature:
    """Return a file's signature of this name; without one its only one, or the one that is called serving_default.

    Raises
    ------
    ModelContractMismatch   there is none of this name, or several and none is named
    """
    names = sorted(runtime.get_signature_list())
    if not names and wanted is None:
        inputs, outputs = runtime.get_input_details(), runtime.get_output_details()
        return FileSignature(_by_place(inputs), _by_place(outputs), is_named=False)
    name = wanted or (names[0] if len(names) == 1 else DEFAULT_SIGNATURE)
    if name not in names:
        raise _unknown(wanted, names)
    runner = runtime.get_signature_runner(name)
    inputs, outputs = runner.get_input_details().items(), runner.get_output_details().items()
    return FileSignature(tuple(inputs), tuple(outputs), runner=runner if len(names) > 1 else None, name=wanted and name)


def _by_place(details: list[Mapping[str, Any]]) -> tuple[Named, ...]:
    return tuple((str(each["name"]), each) for each in details)


def _unknown(wanted: str | None, names: list[str]) -> ModelContractMismatch:
    known = ", ".join(names) or "none"
    detail = (
        f"The model file has {len(names)} signatures and none is called {DEFAULT_SIGNATURE}: name one of {known} as "
        "the contract's signature (--signature NAME)."
        if wanted is None
        else f"The model file has no signature {wanted}; it has {known}."
    )
    return ModelContractMismatch(detail, field="signature", limit=names, got=wanted)


class MatchedTensor(NamedTuple):
    """A tensor of the contract, what the runtime tells of the file's, and the way between them."""

    spec: TensorSpec
    details: Mapping[str, Any]
    file: FileTensor

    @property
    def has_batch(self) -> bool:
        """Whether the file's tensor has a dimension for rows; one without is that of a single item."""
        return len(self.details["shape_signature"]) == len(self.spec.shape)


def match_tensors(contract: ModelContract, signature: FileSignature) -> tuple[list[MatchedTensor], list[MatchedTensor]]:
    """Return inputs and outputs of the contract beside the file's, in the contract's order.

    Raises
    ------
    ModelContractMismatch   names, number, shapes or datatypes differ
    """
    sides = {"inputs": (contract.inputs, signature.inputs), "outputs": (contract.outputs, signature.outputs)}
    inputs, outputs = (
        [_matched(spec, each, contract.rows_per_call) for spec, each in _pairs(side, *both, signature.is_named)]
        for side, both in sides.items()
    )
    return inputs, outputs


def _pairs(
    side: str,
    specs: tuple[TensorSpec, ...],
    found: tuple[Named, ...],
    is_named: bool,
) -> list[tuple[TensorSpec, Mapping[str, Any]]]:
    if is_named:
        by_name, declared = dict(found), sorted(spec.name for spec in specs)
        if set(declared) != set(by_name):
            raise ModelContractMismatch(
                f"The file's {side} are {sorted(by_name)}, the contract's are {declared}.", field=side
            )
        return [(spec, by_name[spec.name]) for spec in specs]
    if len(specs) != len(found):
        raise ModelContractMismatch(
            f"The file has {len(found)} {side}, the contract {len(specs)}. It has no signature, so a contract declares "
            "them all in the file's order.",
            field=side,
            limit=len(found),
            got=len(specs),
        )
    return [(spec, each) for spec, (_, each) in zip(specs, found, strict=True)]


def _matched(spec: TensorSpec, details: Mapping[str, Any], rows: int | None) -> MatchedTensor:
    _check_shape(spec, details, rows)
    return MatchedTensor(spec, details, FileTensor(spec, details))


def _check_shape(spec: TensorSpec, details: Mapping[str, Any], rows: int | None) -> None:
    stored = [int(dim) for dim in details["shape_signature"]]
    wanted = list(spec.shape)
    if wanted[:1] == [-1]:
        if rows == 1 and len(stored) == len(wanted) - 1:
            wanted = wanted[1:]
        elif stored[:1] in ([1], [rows]):
            # A batch of one is resized, or taken row by row: which of the two is proven where it was imported.
            wanted = [stored[0], *wanted[1:]]
    # A free dimension in the contract needs a free one in the file; the reverse only narrows.
    fits = len(stored) == len(wanted) and all(have in (-1, want) for have, want in zip(stored, wanted, strict=True))
    if not fits:
        raise ModelContractMismatch(
            f"Tensor {spec.name} has shape {stored} in the file, but {list(spec.shape)} in the contract.",
            field=spec.name,
            limit=stored,
            got=list(spec.shape),
        )
