"""Model versions inside the program."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from lambent.domain.signatures import ManifestSignature

TFLITE_FILE = "model.tflite"
KERAS_FILE = "model.keras"
CONTRACT_FILE = "contract.json"
GOLDEN_FILE = "golden.npz"
KERAS_GOLDEN_FILE = "golden.keras.npz"
TOKENIZER_FILE = "tokenizer.json"
REPORT_FILE = "report.json"
MANIFEST_FILE = "manifest.json"

# The golden vectors of each model file; the two differ in their outputs, by quantization.
GOLDEN_FILES = {TFLITE_FILE: GOLDEN_FILE, KERAS_FILE: KERAS_GOLDEN_FILE}

LIVE = "live"


@dataclass(frozen=True)
class ModelRef:
    """One version of one model."""

    name: str
    version: int

    def __str__(self) -> str:
        """Return ``name@version``."""
        return f"{self.name}@{self.version}"

    def key(self, file: str) -> str:
        """Return the object key of one of the version's files in the models bucket."""
        return f"{self.name}/{self.version}/{file}"


@dataclass(frozen=True)
class VersionRecord:
    """The registry's row of a version; the digest and the signature pin the manifest, the manifest pins the files."""

    ref: ModelRef
    manifest_sha256: str
    created_at: str
    signature: ManifestSignature | None = None


@dataclass(frozen=True)
class LabelRecord:
    """Where a label points; ``revision`` counts its moves from 1."""

    name: str
    label: str
    version: int
    revision: int
    updated_at: str


@dataclass(frozen=True)
class ModelChoice:
    """What a caller asked for: a version, or a label (``live`` when neither is named)."""

    name: str
    version: str | None = None
    label: str | None = None


def digest(body: bytes) -> str:
    """Return the sha256 of ``body`` in lower-case hex."""
    return sha256(body).hexdigest()
