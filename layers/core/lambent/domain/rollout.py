"""How labels move, and which of a label's two versions answers a request while it has a canary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from zlib import crc32

from lambent.domain.model import Canary, Change, LabelMove, LabelRecord, ModelRef, MoveAction, VersionRecord
from lambent.errors import AliasConflict, LambentError, ModelNotFound, RequestInvalid, VersionRetired

REQUEST_KEY_HEADER = "Lambent-Request-Key"
WHOLE_BP = 10_000
# A row of DynamoDB holds 400 KB and is read whole every few seconds.
HISTORY_LENGTH = 50
MOST_BY_CHARACTERS = 100
MOST_WHY_CHARACTERS = 300

_REQUEST_KEY = re.compile(r"[\x21-\x7e]{1,256}")
_REQUEST_KEY_RULE = "1 to 256 visible ASCII characters"
_WEIGHT_RULE = "more than 0% and less than 100%, such as 10%, 10 or 0.1, in steps of 0.01%"
_WEIGHT = re.compile(r"(?P<whole>[0-9]{1,4})?(?:\.(?P<digits>[0-9]{1,12}))?\s*(?P<percent>%)?")
_SHARE_DIGITS, _PERCENT_DIGITS = 4, 2  # of a basis point
_BUCKET_BYTES = 8


def bucket_of(name: str, label: str, canary: Canary, routing_key: str) -> int:
    """Return the bucket of a request, from 0 to 9,999; buckets below the canary's ``weight_bp`` get the canary.

    The first eight bytes of sha256 over ``model/label/canary version/key`` in UTF-8, as a big-endian number modulo
    10,000 (the remainder favours no bucket by more than 10⁻¹⁵). So every process computes the same without having seen
    the others, a larger weight only moves keys from the stable version to the canary, and the next canary version
    meets other keys than the last one did.
    """
    salted = f"{name}/{label}/{canary.version}/{routing_key}"
    return int.from_bytes(sha256(salted.encode()).digest()[:_BUCKET_BYTES], "big") % WHOLE_BP


def gets_canary(name: str, label: str, canary: Canary, routing_key: str) -> bool:
    """Return whether a request for the label is answered by its canary."""
    return bucket_of(name, label, canary, routing_key) < canary.weight_bp


def check_request_key(key: str) -> str:
    """Return a request key of 1 to 256 visible ASCII characters; raises RequestInvalid for any other."""
    if _REQUEST_KEY.fullmatch(key) is None:
        raise RequestInvalid(
            f"A {REQUEST_KEY_HEADER} is {_REQUEST_KEY_RULE}.", field=REQUEST_KEY_HEADER, limit=_REQUEST_KEY_RULE
        )
    return key


def body_key(body: bytes) -> str:
    """Return the routing key of a request that names none: the same bytes get the same version at every door.

    CRC-32 and the length. 10,000 buckets need no more, and it takes 1.1 ms for the largest body of 4.65 MB, sha256 2.6.
    """
    return f"body-{crc32(body):08x}-{len(body)}"


def parse_weight(text: str) -> int:
    """Return the basis points of a canary's weight: ``10%`` or ``10`` in percent, ``0.1`` as a share; 1,000 of each.

    Raises
    ------
    RequestInvalid   no number, not between 0 and 100%, finer than 0.01%, or 1, which might be either
    """
    found = _WEIGHT.fullmatch(text.strip())
    if found is None:
        raise _weight_invalid(text)
    whole, digits, percent = int(found["whole"] or 0), found["digits"] or "", found["percent"]
    if percent is None and whole == 1 and not digits.strip("0"):
        raise RequestInvalid("A weight of 1 might be a percent or the whole: write 1%.", field="weight", got=text)
    places = _SHARE_DIGITS if percent is None and whole == 0 else _PERCENT_DIGITS
    if len(digits.rstrip("0")) > places:
        raise _weight_invalid(text)
    return check_weight(int(f"{whole}{digits[:places]:0<{places}}"))


def check_weight(weight_bp: int) -> int:
    """Return a weight from 1 to 9,999 basis points; raises RequestInvalid for any other."""
    if not 0 < weight_bp < WHOLE_BP:
        raise _weight_invalid(f"{weight_bp / 100:g}%")
    return weight_bp


def _weight_invalid(text: str) -> RequestInvalid:
    got = text[:64]
    return RequestInvalid(
        f"A canary's weight is {_WEIGHT_RULE}; {got!r} is none.", field="weight", limit=_WEIGHT_RULE, got=got
    )


def new_label(name: str, label: str, version: int, change: Change) -> LabelRecord:
    """Return a label's first record."""
    first = LabelMove(1, MoveAction.SET, version, None, change)
    return LabelRecord(name, label, version, 1, change.at, None, change.by, change.why, (first,))


def moved(
    current: LabelRecord, action: MoveAction, version: int, change: Change, canary: Canary | None = None
) -> LabelRecord:
    """Return the record that follows ``current``."""
    move = LabelMove(current.revision + 1, action, version, canary, change)
    return replace(
        current,
        version=version,
        revision=move.revision,
        updated_at=change.at,
        canary=canary,
        by=change.by,
        why=change.why,
        history=(*history_of(current), move)[-HISTORY_LENGTH:],
    )


def history_of(record: LabelRecord) -> tuple[LabelMove, ...]:
    """Return a label's moves, oldest first; a row from before there was a history tells its latest move only."""
    if record.history:
        return record.history
    return (LabelMove(record.revision, MoveAction.SET, record.version, record.canary, record.change),)


def previous_version(record: LabelRecord) -> int | None:
    """Return the stable version before this one, None if it was the first.

    Rollbacks undo: after 1, 2, 3 and a rollback to 2, the one before is 1, and not 3 again.
    """
    before: list[int] = []
    stable: int | None = None
    for move in history_of(record):
        if stable is not None and move.version != stable:
            if move.action is not MoveAction.ROLLBACK:
                before.append(stable)
            elif before:
                before.pop()
        stable = move.version
    return before[-1] if before else None


def why_refused(
    wanted: LabelRecord, found: LabelRecord | None, versions: Mapping[ModelRef, VersionRecord | None]
) -> LambentError:
    """Return why a label was not moved.

    Parameters
    ----------
    wanted     the record that was not written
    found      the label as it is now
    versions   the versions that ``wanted`` names, as they are now
    """
    if (found.revision if found else 0) != wanted.revision - 1:
        return stale(wanted.name, wanted.label, found, revision=wanted.revision - 1)
    for ref, record in versions.items():
        if record is None:
            return ModelNotFound(f"{ref} was never published.", field="version")
        if record.retired is not None:
            return retired(record)
    return stale(wanted.name, wanted.label, found, revision=wanted.revision - 1)


def stale(name: str, label: str, found: LabelRecord | None, *, revision: int) -> AliasConflict:
    """Return the error about a label that is not at ``revision`` any more: who moved it when, and to what."""
    if found is None:
        told = "it does not exist"
    else:
        canary = f" with canary {found.canary.version} at {found.canary.weight_percent:g}%" if found.canary else ""
        told = f"it was moved {found.change}, to version {found.version}{canary} (revision {found.revision})"
    return AliasConflict(
        f"The label {label} of {name} is not at revision {revision} any more: {told}. Look again, then decide.",
        field="label",
        limit=revision,
        got=found.revision if found else 0,
    )


def retired(record: VersionRecord) -> VersionRetired:
    """Return the error about a version that labels may no longer point to."""
    return VersionRetired(f"{record.ref} was retired {record.retired}; publish it again.", field="version")
