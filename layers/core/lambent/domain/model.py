"""Model versions inside the program."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from lambent.domain.signatures import ManifestSignature

TFLITE_FILE = "model.tflite"
KERAS_FILE = "model.keras"
CONTRACT_FILE = "contract.json"
GOLDEN_FILE = "golden.npz"
KERAS_GOLDEN_FILE = "golden.keras.npz"
TOKENIZER_FILE = "tokenizer.json"
REPORT_FILE = "report.json"
THROUGHPUT_FILE = "throughput.json"
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


class VersionState(StrEnum):
    """``removed``: the files are gone; the row stays, so that the number never comes again."""

    ACTIVE = "active"
    RETIRED = "retired"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """Who changed something, when and why; the texts are empty where nobody said."""

    at: str
    by: str = ""
    why: str = ""

    def __str__(self) -> str:
        """Return e.g. ``by ann at 2026-11-24T00:00:00.000Z: too slow``."""
        who = f"by {self.by} " if self.by else ""
        return f"{who}at {self.at}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True)
class VersionRecord:
    """The registry's row of a version; the digest and the signature pin the manifest, the manifest pins the files.

    Parameters
    ----------
    ref, manifest_sha256, signature
    created_at, by, why   its publication
    retired, removed      what became of it
    label_names           every label that was ever moved to it, by which a retirement knows where to look
    """

    ref: ModelRef
    manifest_sha256: str
    created_at: str
    signature: ManifestSignature | None = None
    by: str = ""
    why: str = ""
    retired: Change | None = None
    removed: Change | None = None
    label_names: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def state(self) -> VersionState:
        """What may be done with it."""
        if self.removed is not None:
            return VersionState.REMOVED
        return VersionState.ACTIVE if self.retired is None else VersionState.RETIRED


@dataclass(frozen=True)
class Canary:
    """A version that gets some of a label's requests: ``weight_bp`` of 10,000, from 1 to 9,999."""

    version: int
    weight_bp: int

    @property
    def weight_percent(self) -> float:
        """The weight in percent."""
        return self.weight_bp / 100


class MoveAction(StrEnum):
    """What was done to a label."""

    SET = "set"
    CANARY = "canary"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class LabelMove:
    """One change of a label: what it was afterwards, and who did it."""

    revision: int
    action: MoveAction
    version: int
    canary: Canary | None
    change: Change


@dataclass(frozen=True)
class LabelRecord:
    """Where a label points; ``revision`` counts its moves from 1.

    Parameters
    ----------
    version                the stable version, which answers all requests that the canary does not
    updated_at, by, why    the latest move
    history                the latest moves, oldest first, this one last; see `domain.rollout.HISTORY_LENGTH`
    """

    name: str
    label: str
    version: int
    revision: int
    updated_at: str
    canary: Canary | None = None
    by: str = ""
    why: str = ""
    history: tuple[LabelMove, ...] = ()

    @property
    def versions(self) -> tuple[int, ...]:
        """Every version that requests for the label may get."""
        return (self.version,) if self.canary is None else (self.version, self.canary.version)

    @property
    def change(self) -> Change:
        """The latest move."""
        return Change(self.updated_at, self.by, self.why)


@dataclass(frozen=True)
class ModelChoice:
    """What a caller asked for: a version, or a label (``live`` when neither is named).

    ``is_canary`` belongs to a version that a label stood for earlier: whether it was picked as the label's canary, None
    where the label had none.
    """

    name: str
    version: str | None = None
    label: str | None = None
    is_canary: bool | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The version that a choice leads to; ``is_canary`` is None unless the choice is a label that has a canary."""

    ref: ModelRef
    is_canary: bool | None = None


def digest(body: bytes) -> str:
    """Return the sha256 of ``body`` in lower-case hex."""
    return sha256(body).hexdigest()
