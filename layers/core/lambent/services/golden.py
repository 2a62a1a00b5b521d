"""Golden vectors: raw items with the tensors and outputs that belong to them, to prove that all places agree.

They are recorded where a version is made and verified again wherever it is first loaded, which also warms it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lambent.contracts.model import ModelContract, TensorPreprocessing, TensorSpec, TextPreprocessing
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.preprocessing import Preprocessor
from lambent.errors import InvalidInput, ModelContractMismatch
from lambent.ports import Interpreter

_TENSORS, _OUTPUTS = "tensors/", "outputs/"
# What a first load verifies: enough to catch other preprocessing or kernels, few enough for a large model.
FIRST_LOAD_ROWS = 4
SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class GoldenVectors:
    """What went in and what came out.

    Parameters
    ----------
    raw       items as bytes; empty for a model that takes tensors only
    tensors   preprocessed inputs by the contract's names, one row an item; or the inputs of one call
    outputs   what the version's file answered, by the contract's names
    """

    raw: list[bytes]
    tensors: dict[str, Array]
    outputs: dict[str, Array]

    def first(self, rows: int) -> GoldenVectors:
        """Return the vectors of the first rows."""
        return self.part(0, rows)

    def sample(self, most: int) -> GoldenVectors:
        """Return the first vectors: at most ``most``, fewer (but enough for a first load) if they are large.

        Every cold start reads them, so their tensors are kept to about `SAMPLE_BYTES`.
        """
        rows = max((len(array) for array in self.tensors.values()), default=1) or 1
        row_bytes = max(sum(array.nbytes for array in self.tensors.values()) // rows, 1)
        return self.first(min(most, max(SAMPLE_BYTES // row_bytes, FIRST_LOAD_ROWS)))

    def part(self, start: int, stop: int) -> GoldenVectors:
        """Return the vectors of some rows."""
        tensors = {name: array[start:stop] for name, array in self.tensors.items()}
        outputs = {name: array[start:stop] for name, array in self.outputs.items()}
        return GoldenVectors(self.raw[start:stop], tensors, outputs)

    def to_npz(self) -> bytes:
        """Return the vectors as golden.npz (no pickles)."""
        arrays: dict[str, Any] = {
            "raw": np.frombuffer(b"".join(self.raw), dtype=np.uint8),
            "raw_lengths": np.array([len(item) for item in self.raw], dtype=np.int64),
            **{f"{_TENSORS}{name}": array for name, array in self.tensors.items()},
            **{f"{_OUTPUTS}{name}": array for name, array in self.outputs.items()},
        }
        buffer = BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, body: bytes) -> GoldenVectors:
        """Read golden.npz; raises ModelContractMismatch."""
        try:
            with np.load(BytesIO(body), allow_pickle=False) as file:
                arrays: dict[str, Array] = dict(file)
            joined = arrays["raw"].tobytes()
            ends = np.cumsum(arrays["raw_lengths"])
            starts = ends - arrays["raw_lengths"]
        except (ValueError, KeyError, OSError, EOFError, BadZipFile, AttributeError) as exc:
            raise ModelContractMismatch("The golden vectors cannot be read.", field="golden") from exc
        raw = [joined[start:end] for start, end in zip(starts, ends, strict=True)]
        return cls(raw, _with_prefix(arrays, _TENSORS), _with_prefix(arrays, _OUTPUTS))


def verify_golden(
    golden: GoldenVectors,
    contract: ModelContract,
    preprocessor: Preprocessor,
    interpreter: Interpreter,
    *,
    output_tolerance: float | None = None,
) -> float:
    """Prove that this place preprocesses and predicts as the place where the version was made, on all vectors.

    Preprocessing must agree exactly; outputs within ``output_tolerance`` (absolute), the contract's if None.

    Returns
    -------
    float   the largest difference of an output

    Raises
    ------
    ModelContractMismatch   the vectors are not the contract's, or preprocessing or outputs differ
    """
    check_declared(golden, contract)
    check_preprocessing(golden, contract, preprocessor)
    return check_outputs(golden, contract, interpreter, output_tolerance=output_tolerance)


def check_declared(golden: GoldenVectors, contract: ModelContract) -> None:
    """Check that the vectors are there and have the contract's names and datatypes; raises ModelContractMismatch."""
    for side, specs, arrays in (
        ("tensors", contract.inputs, golden.tensors),
        ("outputs", contract.outputs, golden.outputs),
    ):
        declared = {spec.name: DTYPE_BY_DATATYPE[spec.datatype] for spec in specs}
        if {name: array.dtype for name, array in arrays.items()} != declared:
            raise _mismatch(f"Golden {side} are not those that the contract declares.", side)
        if not all(_fits(arrays[spec.name], spec) for spec in specs):
            raise _mismatch(f"Golden {side} have shapes that the contract does not declare.", side)
    rows = {len(array) for array in golden.tensors.values()}
    has_items = not isinstance(contract.preprocessing, TensorPreprocessing)
    if 0 in rows or (has_items and rows != {len(golden.raw)}):
        raise _mismatch("There must be at least one golden vector, with its raw item where items are taken.", "raw")


def check_preprocessing(golden: GoldenVectors, contract: ModelContract, preprocessor: Preprocessor) -> None:
    """Check that the raw items become the golden tensors, bit for bit; raises ModelContractMismatch."""
    if isinstance(contract.preprocessing, TensorPreprocessing):
        return
    try:
        tensors = preprocessor.collate([preprocessor.prepare(item) for item in golden.raw])
    except InvalidInput as exc:
        raise _mismatch(f"Preprocessing here refuses a golden item: {exc.detail}", "raw") from exc
    for name, expected in golden.tensors.items():
        if not np.array_equal(tensors[name], expected):
            raise _mismatch("Preprocessing here does not give the golden tensors.", f"tensors.{name}")


def check_outputs(
    golden: GoldenVectors,
    contract: ModelContract,
    interpreter: Interpreter,
    *,
    output_tolerance: float | None = None,
) -> float:
    """Check that the golden tensors give the golden outputs, within the contract's tolerance if no other is given.

    Returns
    -------
    float   the largest difference

    Raises
    ------
    ModelContractMismatch
    """
    tolerance = contract.golden_tolerance if output_tolerance is None else output_tolerance
    largest = 0.0
    # One row a call, as most requests come: the interpreter stays ready for one row.
    for part in _calls(golden, contract):
        outputs = interpreter.run(part.tensors)
        for name, expected in part.outputs.items():
            largest = max(largest, _difference(outputs[name], expected, name, tolerance))
    return largest


def verify_first_load(
    golden: GoldenVectors, contract: ModelContract, preprocessor: Preprocessor, interpreter: Interpreter
) -> None:
    """Verify the first vectors of a version that is loaded here for the first time; raises ModelContractMismatch.

    At most `FIRST_LOAD_ROWS` rows, or one call where rows cannot be told apart.
    """
    verify_golden(first_load_sample(golden, contract), contract, preprocessor, interpreter)


def first_load_sample(golden: GoldenVectors, contract: ModelContract) -> GoldenVectors:
    """Return the vectors that a first load verifies."""
    return golden.first(FIRST_LOAD_ROWS) if _is_row_wise(contract) else golden


def first_load_calls(golden: GoldenVectors, contract: ModelContract) -> list[GoldenVectors]:
    """Return what a first load runs, call by call."""
    return _calls(first_load_sample(golden, contract), contract)


def _calls(golden: GoldenVectors, contract: ModelContract) -> list[GoldenVectors]:
    if not _is_row_wise(contract):
        return [golden]
    rows = len(next(iter(golden.tensors.values())))
    return [golden.part(row, row + 1) for row in range(rows)]


def _is_row_wise(contract: ModelContract) -> bool:
    """Return whether each row of the tensors stands for itself, so that some can be taken without the others."""
    spec = contract.preprocessing
    if isinstance(spec, TextPreprocessing) and spec.pad_to == "longest":
        return False
    return all(spec.shape[0] == -1 for spec in (*contract.inputs, *contract.outputs))


def _fits(array: Array, spec: TensorSpec) -> bool:
    return array.ndim == len(spec.shape) and all(
        want in {-1, have} for have, want in zip(array.shape, spec.shape, strict=True)
    )


def _difference(got: Array, expected: Array, name: str, tolerance: float) -> float:
    if got.shape != expected.shape:
        raise _mismatch("The model's outputs here have other shapes than the golden ones.", f"outputs.{name}")
    difference = float(np.max(np.abs(got.astype(np.float64) - expected.astype(np.float64)), initial=0.0))
    # Written so that NaN fails.
    if not difference <= tolerance:
        raise ModelContractMismatch(
            "The model's outputs here are not the golden ones.",
            field=f"golden.outputs.{name}",
            limit=tolerance,
            got=difference if np.isfinite(difference) else None,
        )
    return difference


def _with_prefix(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _mismatch(detail: str, field: str) -> ModelContractMismatch:
    return ModelContractMismatch(detail, field=f"golden.{field}")
