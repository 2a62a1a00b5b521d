"""What is stored of a run, and under which keys."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec

from lambent.domain.names import check_name
from lambent_toolkit.modelkit.errors import RunUnknown, RunUnreadable

TRAINING = "training"
_RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")

Task = Literal["train", "evaluate"]
TASKS: tuple[Task, ...] = ("train", "evaluate")
T = TypeVar("T")


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """run.json.

    Parameters
    ----------
    task            which step
    what            recipe or model, as it was named
    bundle_sha256   of the bundle's file
    created_at      UTC, ISO 8601
    by              who asked
    out             folder for the artifact, on the machine of who asked
    """

    schema_version: Literal[1] = 1
    run_id: str
    task: Task
    what: str
    bundle_sha256: str
    created_at: str
    by: str
    out: str


class SubmittedJob(msgspec.Struct, frozen=True, kw_only=True):
    """job.json: AWS Batch's id."""

    schema_version: Literal[1] = 1
    batch_job_id: str


class ResultFile(msgspec.Struct, frozen=True):
    """A file of a result."""

    sha256: str
    size_bytes: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """outcome.json.

    Parameters
    ----------
    exit_code   0, or that of the error on the machine of who asked
    message     the error's
    files       of ``result/``, by path
    """

    schema_version: Literal[1] = 1
    exit_code: int
    message: str = ""
    files: dict[str, ResultFile] = {}

    @property
    def is_good(self) -> bool:
        """Whether there is a result."""
        return self.exit_code == 0


@dataclass(frozen=True)
class RunKeys:
    """Where the files of a run lie in the data bucket; raises NameInvalid, RunUnknown."""

    tenant: str
    run_id: str

    def __post_init__(self) -> None:
        """Refuse names that would lead elsewhere."""
        check_name(self.tenant, what="tenant")
        if not _RUN_ID.fullmatch(self.run_id):
            raise RunUnknown(
                f"{self.run_id!r} is no id of a run, such as 20261127-101500-3f9a2c: see `lambent runs list`."
            )

    def key(self, name: str) -> str:
        """Return the key of one of the run's files."""
        return f"{tenant_prefix(self.tenant)}{self.run_id}/{name}"

    @property
    def record(self) -> str:
        """Key of run.json."""
        return self.key("run.json")

    @property
    def job(self) -> str:
        """Key of job.json."""
        return self.key("job.json")

    @property
    def outcome(self) -> str:
        """Key of outcome.json."""
        return self.key("outcome.json")

    @property
    def results(self) -> str:
        """Prefix of the result's files."""
        return self.key("result/")

    @property
    def state(self) -> str:
        """Prefix of checkpoints and logs."""
        return self.key("state/")

    def bundle(self, sha256: str) -> str:
        """Return the key of a bundle."""
        return self.key(f"bundle-{sha256[:16]}.zip")

    @property
    def job_name(self) -> str:
        """What AWS Batch calls the run's job, so that it is found again if job.json was never written."""
        return f"lambent-run-{self.tenant}-{self.run_id}"


def tenant_prefix(tenant: str) -> str:
    """Return the prefix of all runs of a tenant."""
    return f"{TRAINING}/{tenant}/"


def new_run_id(epoch_s: float) -> str:
    """Return an id that sorts by time."""
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def encode(value: Any) -> bytes:
    """Return a record as JSON."""
    return msgspec.json.encode(value)


def decode(body: bytes, kind: type[T], *, where: str) -> T:
    """Return a record; raises RunUnreadable, which tells ``where`` it lies."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as exc:
        raise RunUnreadable(f"{where} is none of this release ({exc}).") from exc
