"""Answers that are larger than a function may return: stored, and answered by a link."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from lambent.contracts.answers import AnswerReference
from lambent.domain.names import answer_key
from lambent.ports import LinkMaker, ObjectStore

LINK_S = 900


class ReferAnswerService:
    """Links to stored answers of one tenant at a time."""

    def __init__(self, *, data: ObjectStore, links: LinkMaker) -> None:
        self._data = data
        self._links = links

    def store(self, tenant: str, body: bytes, *, content_type: str, headers: Mapping[str, str]) -> AnswerReference:
        """Store an answer under the tenant's prefix and refer to it; raises Unavailable."""
        key = answer_key(tenant, uuid4().hex)
        self._data.write(key, body, content_type=content_type)
        return self.refer(key, size_bytes=len(body), content_type=content_type, headers=headers)

    def refer(self, key: str, *, size_bytes: int, content_type: str, headers: Mapping[str, str]) -> AnswerReference:
        """Return a reference to an answer that lies in the data bucket."""
        url = self._links.read_link(
            key, content_type=content_type, content_encoding=headers.get("Content-Encoding"), expires_s=LINK_S
        )
        return AnswerReference(
            url=url, size_bytes=size_bytes, content_type=content_type, expires_s=LINK_S, headers=dict(headers)
        )
