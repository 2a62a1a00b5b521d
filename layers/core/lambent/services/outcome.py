"""The one visible outcome of an upload: a result object or an error object, never both, and of the newest bytes.

Deliveries of one key may meet: of two versions of its bytes, of one event that came twice. S3 has no transaction over
two keys, so each write says what it has seen and happens only while that still stands; whoever finds afterwards that
another came between looks again, and the one whose bytes are older gives way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from lambent.domain.names import is_upload_key, upload_key_of
from lambent.errors import LambentError, SourceChanged, SourceGone, Unavailable
from lambent.ports import ObjectStore

_JSON = "application/json"
# Each try that fails was overtaken by another delivery of the same key.
_TRIES = 8


@dataclass(frozen=True)
class Source:
    """Which bytes an outcome is of.

    Attributes
    ----------
    key         of the upload; None where it is not known
    etag        of its bytes; empty where nobody has seen them
    sequencer   S3's own order of the events of one key, in hex; None where the event told none
    """

    key: str | None
    etag: str
    sequencer: str | None = None

    @property
    def fields(self) -> dict[str, str]:
        """What an outcome says of its source, beside its name."""
        return {"source_etag": self.etag, **({"source_sequencer": self.sequencer} if self.sequencer else {})}


def write_result(data: ObjectStore, stem: str, result: dict[str, Any], *, source: Source, source_name: str) -> None:
    """Write ``{stem}.json``, and remove the error object that an earlier upload of the same name left.

    A source that was overwritten meanwhile leaves everything alone: its successor has an outcome of its own.

    Parameters
    ----------
    result   what is told beside the source; may hold NumPy's arrays, which become lists

    Raises
    ------
    Unavailable   also if other deliveries of the same key have overtaken this one again and again
    """
    body = orjson.dumps({"source": source_name, **source.fields, **result}, option=orjson.OPT_SERIALIZE_NUMPY)
    _Outcome(data, stem, source).settle(body, is_error=False)


def write_failure(
    data: ObjectStore,
    stem: str,
    error: LambentError,
    *,
    source_name: str,
    source_etag: str,
    source_key: str | None = None,
    source_sequencer: str | None = None,
    keeps_own: bool = False,
) -> None:
    """Write ``{stem}.error.json``, and remove the result that an earlier upload of the same name left.

    A source that was overwritten meanwhile leaves everything alone. One that was deleted keeps the outcome that an
    earlier delivery of the same event has written.

    Parameters
    ----------
    source_key   what the stem tells, unless given
    keeps_own    whether an outcome of the same bytes stays: for whoever knows only that none was seen to come

    Raises
    ------
    Unavailable   as `write_result`
    """
    source = Source(source_key or upload_key_of(stem), source_etag, source_sequencer)
    body = orjson.dumps({"source": source_name, **source.fields, **error.to_dict()})
    if source.key is not None and not is_upload_key(source.key):
        # Of a key that is no tenant's, which has no result ever: nothing is read or replaced, as nobody may.
        data.write_once(f"{stem}.error.json", body, content_type=_JSON)
        return
    # That a source could not be read says nothing against the outcome of the same bytes.
    may_replace_own = not keeps_own and not isinstance(error, SourceChanged | SourceGone)
    _Outcome(data, stem, source).settle(body, is_error=True, may_replace_own=may_replace_own)


def leave_outcome(data: ObjectStore, stem: str, source: Source) -> None:
    """Do what is left to do for bytes that were overwritten: nothing, unless an attempt died between two writes."""
    _Outcome(data, stem, source).withdraw()


class _Outcome:
    """The two objects of one stem, seen from one delivery."""

    def __init__(self, data: ObjectStore, stem: str, source: Source) -> None:
        self._data = data
        self._source = source
        self._keys = (f"{stem}.json", f"{stem}.error.json")

    def settle(self, body: bytes, *, is_error: bool, may_replace_own: bool = True) -> None:
        """Write one object and see that the other is not there; see `write_result` and `write_failure`."""
        key, other = reversed(self._keys) if is_error else self._keys
        for _ in range(_TRIES):
            seen, opposed = self._data.etag(key), self._data.etag(other)
            if not self._is_newest(may_replace_own=may_replace_own):
                self.withdraw()
                return
            # The other goes first: nobody ever sees both of one upload that has no racer.
            if opposed is not None and not self._data.delete_if(other, etag=opposed):
                continue
            written = self._data.write_if(key, body, etag=seen, content_type=_JSON)
            if written is None:
                continue
            against = self._read(other)
            if against is None:
                return
            if is_error and against.etag == self._source.etag:
                # Two deliveries of the same bytes that end differently: the one that has a result is right.
                self._data.delete_if(key, etag=written)
                return
            may_replace_own = True  # which by now is what was just written
        raise Unavailable("Other deliveries of this upload write its outcome at this moment; try again.")

    def withdraw(self) -> None:
        """Where both objects are there, remove the one that is of these bytes, which are not the newest."""
        found = [(key, self._data.etag(key), self._read(key)) for key in self._keys]
        for key, etag, source in found:
            if all(each for _, each, _ in found) and etag and source and source.etag == self._source.etag:
                self._data.delete_if(key, etag=etag)

    def _is_newest(self, *, may_replace_own: bool) -> bool:
        """Return whether no newer bytes have been put, as far as can be known."""
        now = None if self._source.key is None else self._data.etag(self._source.key)
        if now is not None and self._source.etag and now != self._source.etag:
            return False
        if now is not None and may_replace_own:
            return True
        standing = [found for key in self._keys if (found := self._read(key)) is not None]
        if now is not None:
            return all(each.etag != self._source.etag for each in standing)
        return all(self._is_after(each, may_replace_own=may_replace_own) for each in standing)

    def _is_after(self, other: Source, *, may_replace_own: bool) -> bool:
        """Return whether the source is newer than that of an outcome, or the same; the upload itself was deleted."""
        if self._source.sequencer and other.sequencer:
            digits = max(len(self._source.sequencer), len(other.sequencer))
            mine, theirs = (text.upper().rjust(digits, "0") for text in (self._source.sequencer, other.sequencer))
            return mine > theirs or (may_replace_own and mine == theirs)
        return may_replace_own and self._source.etag == other.etag

    def _read(self, key: str) -> Source | None:
        """Return of which bytes an outcome is, None without one."""
        try:
            told = orjson.loads(self._data.read(key).body)
        except SourceGone:
            return None
        return Source(self._source.key, str(told.get("source_etag", "")), told.get("source_sequencer"))
