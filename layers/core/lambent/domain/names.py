"""Which names are allowed, and where each thing of a tenant lies in the data bucket."""

from __future__ import annotations

import re
from hashlib import sha256

from lambent.errors import ModelNotFound, NameInvalid, UploadKeyInvalid

_MAX_VERSION_DIGITS = 9
_UPLOAD_KEY_PARTS = 4
_LONG = re.compile(r"long-[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
NAME_RULE = "1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or digit"

INBOX = "inbox"
INPUTS = "inputs"
RESULTS = "results"
WORK = "work"
JOBS = "jobs"
ANSWERS = "answers"
ERROR_ENDING = ".error"
_MAX_KEY_BYTES = 1024  # Amazon S3's limit


def is_name(text: str) -> bool:
    """Return whether a model, label, tenant or job may be called so."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str, *, what: str) -> str:
    """Return ``name`` if it is allowed; raises NameInvalid."""
    if not is_name(name):
        raise NameInvalid(f"The {what} name is not allowed: use {NAME_RULE}.", field=what, limit=NAME_RULE)
    return name


def parse_version(text: str) -> int:
    """Return a version number from its text form "7"; raises ModelNotFound for anything else."""
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= _MAX_VERSION_DIGITS and text[0] != "0"):
        raise ModelNotFound("There is no such version; versions are whole numbers from 1.", field="version")
    return int(text)


def parse_upload_key(key: str) -> tuple[str, str, str]:
    """Split ``inbox/{tenant}/{model}/{name}``; the name may hold further slashes.

    Raises
    ------
    UploadKeyInvalid   any other form
    """
    parts = key.split("/", _UPLOAD_KEY_PARTS - 1)
    if len(parts) != _UPLOAD_KEY_PARTS or parts[0] != INBOX or not parts[3] or parts[3].endswith("/"):
        raise UploadKeyInvalid("Uploads go to inbox/{tenant}/{model}/{name}.", field="key")
    _, tenant, model, name = parts
    if name.endswith(ERROR_ENDING):
        # Its result would lie where the error of another upload does.
        raise UploadKeyInvalid(f"Names of uploads do not end in {ERROR_ENDING}.", field="key")
    for part in (tenant, model):
        if not is_name(part):
            raise UploadKeyInvalid(f"Tenant and model in an upload's key are {NAME_RULE}.", field="key")
    return tenant, model, name


def is_upload_key(key: str) -> bool:
    """Return whether an object of this key is an upload of a tenant."""
    try:
        parse_upload_key(key)
    except UploadKeyInvalid:
        return False
    return True


def upload_key(tenant: str, model: str, name: str) -> str:
    """Return the key of an upload, which `parse_upload_key` takes apart; raises UploadKeyInvalid."""
    key = f"{INBOX}/{tenant}/{model}/{name}"
    parse_upload_key(key)
    return key


def result_stem(upload_key: str) -> str:
    """Return the key of an upload's outcome without its ending ``.json`` or ``.error.json``: inbox/… → results/….

    A name so long that its outcome's key would exceed 1,024 bytes is replaced by ``long-`` and its sha256.
    """
    stem = f"{RESULTS}/{upload_key.removeprefix(INBOX + '/')}"
    if len(f"{stem}{ERROR_ENDING}.json".encode()) <= _MAX_KEY_BYTES:
        return stem
    head = "/".join(stem.split("/")[: _UPLOAD_KEY_PARTS - 1])
    return f"{head[:200]}/long-{sha256(upload_key.encode()).hexdigest()}"


def upload_key_of(stem: str) -> str | None:
    """Return the key of the upload whose outcome's stem this is; None for one whose name was too long to be kept."""
    name = stem.removeprefix(f"{RESULTS}/")
    return None if _LONG.fullmatch(name.rpartition("/")[2]) else f"{INBOX}/{name}"


def work_key(tenant: str, request_id: str) -> str:
    """Return the key of a preprocessed tensor."""
    return f"{WORK}/{tenant}/{request_id}.npz"


def input_prefixes(tenant: str) -> tuple[str, str]:
    """Return the only prefixes that a tenant's batch items and manifests may lie under."""
    return f"{INPUTS}/{tenant}/", f"{INBOX}/{tenant}/"


def job_key(tenant: str, job_id: str, name: str) -> str:
    """Return the key of one of a job's files."""
    return f"{JOBS}/{tenant}/{job_id}/{name}"


CALL_OUTCOME_FILE = "outcome.json"


def request_file(request_sha256: str) -> str:
    """Return the file name of a batch's request that is too large for its record."""
    return f"request-{request_sha256[:16]}.json"


def call_body_file(request_sha256: str) -> str:
    """Return the file name of a stored call's body."""
    return f"body-{request_sha256[:16]}"


def call_answer_file(body_sha256: str) -> str:
    """Return the file name of a stored call's answer."""
    return f"answer-{body_sha256[:16]}"


def answer_key(tenant: str, answer_id: str) -> str:
    """Return the key of an answer that was too large to be returned."""
    return f"{ANSWERS}/{tenant}/{answer_id}"


def errors_file(shard: int) -> str:
    """Return the file name of a shard's failed items."""
    return f"errors-{shard:05d}.jsonl"


def checkpoints_prefix(tenant: str, job_id: str, shard: int) -> str:
    """Return where the checkpoints of an unfinished shard lie."""
    return job_key(tenant, job_id, f"checkpoints/{shard:05d}/")
