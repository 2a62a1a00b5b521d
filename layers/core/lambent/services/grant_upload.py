"""POST /uploads: a grant to put one object under one key of the tenant's inbox."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from lambent.contracts.uploads import GrantView, NextRequest, UploadForm, UploadRequest
from lambent.domain.job import expiry_of
from lambent.domain.model import ModelChoice
from lambent.domain.names import check_name, upload_key
from lambent.domain.timestamps import to_timestamp
from lambent.domain.uploads import GRANT_S, UploadGrant
from lambent.errors import ModelNotFound, PayloadTooLarge
from lambent.ports import Clock, GrantStore, LinkMaker, Registry
from lambent.services.load_model import ModelResolver


class GrantUploadService:
    """Grants uploads; they are recorded, since what a store lets in is checked again when it is there.

    The record is a row and not a signature in the key: it holds more than a key has room for, needs no secret of its
    own, and tells later whose upload it was and what became of it.
    """

    def __init__(
        self,
        *,
        grants: GrantStore,
        links: LinkMaker,
        registry: Registry,
        clock: Clock,
        max_upload_bytes: int,
        retention_days: int,
    ) -> None:
        self._grants = grants
        self._links = links
        self._registry = registry
        self._resolver = ModelResolver(registry, clock, label_ttl_s=0)
        self._clock = clock
        self._max_upload_bytes = max_upload_bytes
        self._retention_days = retention_days

    def grant(self, tenant: str, request: UploadRequest, *, request_key: str | None = None) -> GrantView:
        """Record a grant and return the form to send.

        Parameters
        ----------
        request_key   decides which version answers the upload while its label has a canary; else the object's bytes do

        Raises
        ------
        PayloadTooLarge              ``size_bytes`` is more than the upload door takes
        NameInvalid, ModelNotFound   no such model, version or label
        UploadKeyInvalid             the name would hide another upload's outcome
        Unavailable
        """
        if request.size_bytes is not None and request.size_bytes > self._max_upload_bytes:
            raise PayloadTooLarge(
                f"The upload door takes at most {self._max_upload_bytes} bytes, {request.size_bytes} were announced.",
                field="size_bytes",
                limit=self._max_upload_bytes,
                got=request.size_bytes,
            )
        choice = ModelChoice(check_name(request.model, what="model"), request.version, request.label)
        if self._registry.version(self._resolver.resolve(choice)) is None:
            raise ModelNotFound("There is no such version of this model.", field="version")
        grant = replace(self._new_grant(tenant, choice, request), request_key=request_key)
        forget_at_s = expiry_of(grant.expires_at_s, retention_days=self._retention_days)
        self._grants.add(grant, forget_at_s=forget_at_s)
        return self._view(grant)

    def _new_grant(self, tenant: str, choice: ModelChoice, request: UploadRequest) -> UploadGrant:
        upload_id = f"up-{uuid4().hex}"
        return UploadGrant(
            tenant=tenant,
            upload_id=upload_id,
            key=upload_key(tenant, choice.name, f"{upload_id}/{request.name}"),
            choice=choice,
            content_type=request.content_type,
            sha256=request.sha256,
            min_bytes=request.size_bytes or 1,
            max_bytes=request.size_bytes or self._max_upload_bytes,
            created_at=self._clock.now(),
            expires_at_s=int(self._clock.epoch_s()) + GRANT_S,
        )

    def _view(self, grant: UploadGrant) -> GrantView:
        url, fields = self._links.upload_form(
            grant.key, fields=grant.form_fields, size_range=(grant.min_bytes, grant.max_bytes), expires_s=GRANT_S
        )
        return GrantView(
            id=grant.upload_id,
            model=grant.choice.name,
            expires_at=to_timestamp(grant.expires_at_s),
            upload=UploadForm(url=url, fields=fields),
            then=NextRequest(method="GET", path=f"/uploads/{grant.upload_id}"),
        )
