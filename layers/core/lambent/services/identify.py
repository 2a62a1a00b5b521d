"""Who calls: an API key is a tenant."""

from __future__ import annotations

from lambent.errors import AuthInvalid
from lambent.ports import TenantDirectory


class IdentifyService:
    """Key ids to tenants; the stack's own key belongs to the default tenant."""

    def __init__(self, directory: TenantDirectory, *, own_key_id: str, default_tenant: str) -> None:
        self._directory = directory
        self._known = {own_key_id: default_tenant}

    def tenant(self, api_key_id: str | None) -> str:
        """Return the tenant of a key id.

        Raises
        ------
        AuthInvalid   no key, or one that stands for no tenant
        Unavailable
        """
        if not api_key_id:
            raise AuthInvalid("An API key is needed: send it as x-api-key.")
        if api_key_id not in self._known:
            tenant = self._directory.tenant_of(api_key_id)
            if tenant is None:
                raise AuthInvalid("This API key is not registered for a tenant.")
            self._known[api_key_id] = tenant
        return self._known[api_key_id]
