"""POST /inputs: a grant to put one object under the tenant's inputs, for a batch to read."""

from __future__ import annotations

from base64 import b64encode

from lambent.contracts.uploads import InputGrantView, InputRequest, NextRequest, UploadForm
from lambent.domain.names import INPUTS
from lambent.domain.timestamps import to_timestamp
from lambent.domain.uploads import GRANT_S
from lambent.ports import Clock, LinkMaker, ObjectStore


class GrantInputService:
    """Grants inputs of batches.

    Nothing is recorded, unlike for an upload that is answered by itself: the key is made of the content's digest, which
    S3 compares with what arrives, so that a grant is good for these bytes at this place and can replace them by
    themselves only.
    """

    def __init__(self, *, data: ObjectStore, links: LinkMaker, clock: Clock) -> None:
        self._data = data
        self._links = links
        self._clock = clock

    def grant(self, tenant: str, request: InputRequest) -> InputGrantView:
        """Return the form to send, and the address that the input will have; raises Unavailable."""
        key = f"{INPUTS}/{tenant}/{request.sha256[:32]}/{request.name}"
        fields = {
            "Content-Type": request.content_type,
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": b64encode(bytes.fromhex(request.sha256)).decode(),
        }
        size_range = (request.size_bytes, request.size_bytes)
        url, form = self._links.upload_form(key, fields=fields, size_range=size_range, expires_s=GRANT_S)
        uri = self._data.uri(key)
        return InputGrantView(
            uri=uri,
            expires_at=to_timestamp(int(self._clock.epoch_s()) + GRANT_S),
            upload=UploadForm(url=url, fields=form),
            then=NextRequest(method="POST", path="/jobs", body={"input": {"uri": uri}}),
        )
