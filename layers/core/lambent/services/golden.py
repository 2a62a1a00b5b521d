"""Golden vectors: raw inputs with the tensors and outputs that belong to them, to prove that all places agree."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np

from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing import Preprocessor
from lambent.errors import ModelContractMismatch
from lambent.ports import Interpreter


@dataclass(frozen=True)
class GoldenVectors:
    """``raw`` inputs as bytes, ``tensors`` float32 (n, …) as preprocessed, ``outputs`` (n, …) of the served file."""

    raw: list[bytes]
    tensors: Array
    outputs: Array

    def to_npz(self) -> bytes:
        """Return the vectors as golden.npz (no pickles)."""
        lengths = np.array([len(item) for item in self.raw], dtype=np.int64)
        joined = np.frombuffer(b"".join(self.raw), dtype=np.uint8)
        buffer = BytesIO()
        np.savez_compressed(buffer, raw=joined, raw_lengths=lengths, tensors=self.tensors, outputs=self.outputs)
        return buffer.getvalue()

    @classmethod
    def from_npz(cls, body: bytes) -> GoldenVectors:
        """Read golden.npz."""
        with np.load(BytesIO(body), allow_pickle=False) as arrays:
            joined = arrays["raw"].tobytes()
            ends = np.cumsum(arrays["raw_lengths"])
            starts = ends - arrays["raw_lengths"]
            raw = [joined[start:end] for start, end in zip(starts, ends, strict=True)]
            return cls(raw, arrays["tensors"], arrays["outputs"])


def verify_golden(
    golden: GoldenVectors,
    contract: ModelContract,
    preprocessor: Preprocessor,
    interpreter: Interpreter,
    *,
    output_tolerance: float,
) -> float:
    """Prove that this place preprocesses and predicts as the place where the version was made.

    Preprocessing must agree exactly; outputs within ``output_tolerance`` (absolute).

    Returns
    -------
    float   the largest difference of an output

    Raises
    ------
    ModelContractMismatch   preprocessing or outputs differ
    """
    tensors = preprocessor.collate([preprocessor.prepare(item) for item in golden.raw])[contract.inputs[0].name]
    if not np.array_equal(tensors, golden.tensors):
        raise ModelContractMismatch("Preprocessing here does not give the golden tensors.", field="golden.tensors")
    outputs = interpreter.run({contract.inputs[0].name: tensors})[contract.outputs[0].name]
    difference = float(np.max(np.abs(outputs - golden.outputs)))
    if difference > output_tolerance:
        raise ModelContractMismatch(
            "The model's outputs here are not the golden ones.",
            field="golden.outputs",
            limit=output_tolerance,
            got=difference,
        )
    return difference
