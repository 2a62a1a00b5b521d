"""What became of an upload."""

from __future__ import annotations

import msgspec

from lambent.contracts.uploads import UploadView
from lambent.domain.names import result_stem
from lambent.domain.timestamps import to_timestamp
from lambent.domain.uploads import UploadGrant, is_upload_id
from lambent.errors import SourceGone, UploadNotFound
from lambent.ports import GrantStore, ObjectStore


class ShowUploadService:
    """Reads uploads of one tenant at a time."""

    def __init__(self, *, grants: GrantStore, data: ObjectStore) -> None:
        self._grants = grants
        self._data = data

    def show(self, tenant: str, upload_id: str) -> UploadView:
        """Return an upload with its result or error object, if there is one.

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
        error = self._read(f"{stem}.error.json") if result is None else None
        return _view(grant, result, error)

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
