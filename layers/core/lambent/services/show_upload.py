"""What became of an upload."""

from __future__ import annotations

import msgspec

from lambent.contracts.uploads import UploadView
from lambent.domain.names import result_stem
from lambent.domain.timestamps import to_timestamp
from lambent.domain.uploads import UploadGrant, is_upload_id
from lambent.errors import SourceGone, UploadNotFound
from lambent.ports import Clock, GrantStore, ObjectStore


class ShowUploadService:
    """Reads uploads of one tenant at a time."""

    def __init__(self, *, grants: GrantStore, data: ObjectStore, clock: Clock) -> None:
        self._grants = grants
        self._data = data
        self._clock = clock

    def show(self, tenant: str, upload_id: str) -> UploadView:
        """Return an upload with its result or error object, if there is one.

        Of a grant that has ended, and under whose name nothing lies, neither will come: that is told as its failure,
        whether nothing was sent or something under another name.

        Raises
        ------
        UploadNotFound   no such upload; another tenant's id answers exactly so
        Unavailable
        """
        # What cannot be an id is not looked up: the table refuses keys beyond its own limits as a fault of the service.
        grant = self._grants.get(tenant, upload_id) if is_upload_id(upload_id) else None
        if grant is None:
            raise UploadNotFound("There is no such upload.", field="id")
        stem = result_stem(grant.key)
        result = self._read(f"{stem}.json")
        error = (self._read(f"{stem}.error.json") or self._never_came(grant)) if result is None else None
        return _view(grant, result, error)

    def _never_came(self, grant: UploadGrant) -> msgspec.Raw | None:
        if not grant.has_ended(self._clock.epoch_s()) or self._data.etag(grant.key) is not None:
            return None
        name = grant.key.rpartition("/")[2]
        error = SourceGone(
            f"Nothing lies under the name that was announced, {name!r}, and the grant has ended. Ask for one again, "
            "and send its form as it is.",
            field="key",
        )
        return msgspec.Raw(msgspec.json.encode({"source": name, **error.to_dict()}))

    def _read(self, key: str) -> msgspec.Raw | None:
        try:
            return msgspec.Raw(self._data.read(key).body)
        except SourceGone:
            return None


def _view(grant: UploadGrant, result: msgspec.Raw | None, error: msgspec.Raw | None) -> UploadView:
    return UploadView(
        id=grant.upload_id,
        state="done" if result is not None else "pending" if error is None else "failed",
        model=grant.choice.name,
        created_at=grant.created_at,
        expires_at=to_timestamp(grant.expires_at_s),
        result=result,
        error=error,
    )
