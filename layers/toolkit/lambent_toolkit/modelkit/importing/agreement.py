"""Where a contract and a model contradict each other: all places at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lambent.contracts.model import Classification, ModelContract, TensorSpec, TextPreprocessing
from lambent.domain.contract_check import check_contract
from lambent.domain.model import TOKENIZER_FILE, digest
from lambent.domain.names import check_name
from lambent.errors import ModelContractMismatch, NameInvalid
from lambent_toolkit.modelkit.errors import ContractDisagrees
from lambent_toolkit.modelkit.importing.layer_names import scope_name
from lambent_toolkit.modelkit.importing.signature import Quantized, Signature

_PIXEL_OFFSET = -128
_BINARY = 2
_SHOWN = 5


class Contradiction(NamedTuple):
    """Where, what the model (or the contract's other part) has, what the contract says, and how to mend it."""

    where: str
    expected: str
    got: str
    fix: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.where}: expected {self.expected}, got {self.got}. {self.fix}"


def check_agreement(contract: ModelContract, signature: Signature, assets: Mapping[str, bytes]) -> None:
    """Check that a contract is one of this model; raises ContractDisagrees with every contradiction."""
    found = list(contradictions(contract, signature, assets))
    if found:
        lines = "\n".join(f"  - {each}" for each in found)
        places = "one place" if len(found) == 1 else f"{len(found)} places"
        raise ContractDisagrees(f"Contract and model contradict each other in {places}:\n{lines}")


def contradictions(
    contract: ModelContract, signature: Signature, assets: Mapping[str, bytes]
) -> Iterator[Contradiction]:
    """Yield every contradiction between contract, model and the files of the preprocessing."""
    yield from _own(contract)
    signature = _as_declared(contract, signature)
    yield from _calls(contract, signature)
    sides = (("inputs", contract.inputs, signature.inputs), ("outputs", contract.outputs, signature.outputs))
    for side, declared, found in sides:
        yield from _names(side, declared, found, signature)
        for spec, other in _pairs(declared, found, is_named=signature.is_named):
            yield from _tensor(side, spec, other, signature)
    yield from _labels(contract, signature)
    yield from _tokenizer(contract, assets)


def _own(contract: ModelContract) -> Iterator[Contradiction]:
    try:
        check_name(contract.name, what="model")
        check_contract(contract)
    except (ModelContractMismatch, NameInvalid) as exc:
        detail = exc.detail.removeprefix("The contract contradicts itself: ")
        yield Contradiction(exc.field or "contract", str(exc.limit or "another value"), str(exc.got), detail)


def _as_declared(contract: ModelContract, signature: Signature) -> Signature:
    """Return the signature in the form that the contract declares: a model's fixed batch may also stay as it is."""
    is_fixed = contract.rows_per_call is None and all(spec.shape[:1] != (-1,) for spec in contract.inputs)
    return signature.stored if signature.stored is not None and is_fixed else signature


def _calls(contract: ModelContract, signature: Signature) -> Iterator[Contradiction]:
    if signature.rows_per_call not in {None, contract.rows_per_call}:
        fix = "The file was converted for so many rows and cannot be resized: set rows_per_call, or convert it anew."
        yield Contradiction("rows_per_call", str(signature.rows_per_call), str(contract.rows_per_call), fix)
    if contract.signature not in {None, signature.name}:
        fix = "Set it to null, or to the one that --signature names; it is for files with several."
        yield Contradiction("signature", str(signature.name), str(contract.signature), fix)


def _names(
    side: str, declared: tuple[TensorSpec, ...], found: tuple[TensorSpec, ...], signature: Signature
) -> Iterator[Contradiction]:
    names, others = [spec.name for spec in declared], [spec.name for spec in found]
    if signature.is_named and set(names) != set(others):
        fix = f"Name the {side} as the model's signature does."
        yield Contradiction(side, str(others), str(names), fix)
    elif len(names) != len(others):
        yield Contradiction(side, f"{len(others)} tensors {others}", f"{len(names)}", "Declare each once, in order.")
    elif not (signature.is_named or signature.is_tflite) and (
        unfit := [name for name in names if scope_name(name) != name]
    ):
        fix = "They name the tensors of the .tflite file too: use letters, digits, dot, dash and underscore of ASCII."
        yield Contradiction(side, str([scope_name(name) for name in unfit]), str(unfit), fix)
    elif not signature.is_named and names != others and set(names) == set(others):
        fix = "A .keras model, and a file without a signature, goes by the order: declare them in the model's."
        yield Contradiction(side, str(others), str(names), fix)


def _pairs(
    declared: tuple[TensorSpec, ...], found: tuple[TensorSpec, ...], *, is_named: bool
) -> Iterator[tuple[TensorSpec, TensorSpec]]:
    by_name = {spec.name: spec for spec in found} if is_named else {}
    names = {spec.name for spec in declared}
    # What has another name is compared in order, so that a renamed tensor's shape is told of too.
    others = iter([spec for spec in found if spec.name not in by_name or spec.name not in names])
    for spec in declared:
        other = by_name.get(spec.name) or next(others, None)
        if other is not None:
            yield spec, other


def _tensor(side: str, spec: TensorSpec, found: TensorSpec, signature: Signature) -> Iterator[Contradiction]:
    where = f"{side}.{spec.name}"
    kept = signature.quantized.get(found.name)
    allowed = _datatypes(found, kept, is_keras=not (signature.is_named or signature.is_tflite))
    if spec.datatype not in allowed:
        stored = f" (kept as {kept.datatype} in the file)" if kept else ""
        expected = " or ".join(allowed) + stored
        yield Contradiction(f"{where}.datatype", expected, spec.datatype, "Set the datatype that the model has.")
    if len(spec.shape) != len(found.shape):
        fix = f"The tensor has {len(found.shape)} dimensions, the batch among them."
        yield Contradiction(f"{where}.shape", str(list(found.shape)), str(list(spec.shape)), fix)
    elif not all(have in (-1, want) for have, want in zip(found.shape, spec.shape, strict=True)):
        yield Contradiction(f"{where}.shape", str(list(found.shape)), str(list(spec.shape)), _shape_fix(spec, found))


def _shape_fix(spec: TensorSpec, found: TensorSpec) -> str:
    if spec.shape[0] == -1 and found.shape[0] > 0:
        return (
            f"The model was converted for {found.shape[0]} row(s) a call, no more, no fewer: convert it with a free "
            "batch dimension (None), or declare the fixed one with preprocessing tensor."
        )
    return "A dimension that is free (-1) in the contract must be free in the model."


def _datatypes(found: TensorSpec, kept: Quantized | None, *, is_keras: bool) -> list[str]:
    allowed: list[str] = [found.datatype]
    if kept is not None:
        allowed += ["FP16", "FP64", kept.datatype]
        if (kept.datatype, kept.scale, kept.zero_point) == ("INT8", 1.0, _PIXEL_OFFSET):
            allowed.append("UINT8")
    elif is_keras and found.datatype == "FP32":
        # Pixels as they are: the converter puts the cast in front.
        allowed.append("UINT8")
    return allowed


def _labels(contract: ModelContract, signature: Signature) -> Iterator[Contradiction]:
    spec = contract.postprocessing
    if not isinstance(spec, Classification):
        return
    counts = Counter(spec.labels)
    odd = [label for label, count in counts.items() if count > 1 or not label.strip()]
    if odd:
        # An answer could not say which of the two it means, and data by the label's name would be of the first.
        fix = "Give each label a name of its own."
        yield Contradiction("postprocessing.labels", f"{len(spec.labels)} different names", str(odd[:_SHOWN]), fix)
    names = [each.name for each in (signature.outputs if signature.is_named else contract.outputs)]
    name = spec.output or contract.outputs[0].name
    if name not in names or names.index(name) >= len(signature.outputs):
        return
    shape = signature.outputs[names.index(name)].shape
    is_binary = len(spec.labels) == _BINARY and shape[1:] == (1,)
    if len(shape) > 1 and shape[-1] not in (-1, len(spec.labels)) and not is_binary:
        fix = "Name one label a score, in the model's order."
        yield Contradiction("postprocessing.labels", f"{shape[-1]} labels", f"{len(spec.labels)}", fix)


def _tokenizer(contract: ModelContract, assets: Mapping[str, bytes]) -> Iterator[Contradiction]:
    spec = contract.preprocessing
    if not isinstance(spec, TextPreprocessing):
        return
    body = assets.get(TOKENIZER_FILE)
    if body is None:
        fix = "Give the file that the model was trained with: --tokenizer FILE."
        yield Contradiction("preprocessing.tokenizer_sha256", TOKENIZER_FILE, "no file", fix)
    elif digest(body) != spec.tokenizer_sha256:
        fix = "Give the file that the contract was made with, or set its digest."
        yield Contradiction("preprocessing.tokenizer_sha256", spec.tokenizer_sha256[:12], digest(body)[:12], fix)
