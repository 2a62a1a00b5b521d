"""Amazon S3 as one tenant at a time: each request is signed by a session that reaches that tenant's objects alone.

The sessions are of a role whose policy names objects by the session's tag ``tenant``. Whose session a request gets is
said by the tenant that is acted for; where nobody says so, by the key itself, ``{area}/{tenant}/…``. A request for an
object of one tenant while another is acted for is refused by AWS.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from lambent.domain.names import is_name

# Of one role that takes another, AWS lets no session live longer (role chaining).
SESSION_S = 3_600
_MOST_CLIENTS = 16
_SESSION_NAME_CHARACTERS = 64
_NAMED_BY = ("Key", "Prefix")

_acting: str | None = None


@contextmanager
def acting_for(tenant: str) -> Iterator[None]:
    """Reach the objects of this tenant alone, in all threads: a function works for one tenant at a time."""
    global _acting  # noqa: PLW0603 - of the process, as the threads that fetch items are
    before, _acting = _acting, tenant
    try:
        yield
    finally:
        _acting = before


class TenantClient:
    """Stands in for a client of S3; each call goes through the client of one tenant.

    Parameters
    ----------
    own          client by the function's own role: for keys that are no tenant's, of which it may refuse uploads
    client_for   tenant → a client by a session of that tenant
    """

    def __init__(self, own: Any, client_for: Callable[[str], Any]) -> None:
        self._own, self._client_for = own, client_for
        self._clients: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        """Return an operation of S3, or what else a client has."""
        found = getattr(self._own, name)
        return partial(self._call, name) if callable(found) and not name.startswith("_") else found

    def _call(self, operation: str, *arguments: Any, **named: Any) -> Any:
        key = next((named[name] for name in _NAMED_BY if name in named), "")
        tenant = _acting or tenant_of(key)
        client = self._own if tenant is None else self._client(tenant)
        return getattr(client, operation)(*arguments, **named)

    def _client(self, tenant: str) -> Any:
        with self._lock:
            if tenant not in self._clients:
                self._clients[tenant] = self._client_for(tenant)
            self._clients.move_to_end(tenant)
            if len(self._clients) > _MOST_CLIENTS:
                self._clients.popitem(last=False)
            return self._clients[tenant]


def tenant_of(key: str) -> str | None:
    """Return whose an object of the data bucket is by its key, None for one that is nobody's."""
    _, _, rest = key.partition("/")
    name, slash, _ = rest.partition("/")
    return name if slash and is_name(name) else None


def session_of(sts: Any, role_arn: str, tenant: str) -> dict[str, str]:
    """Return new credentials of the role for one tenant, as botocore refreshes them; raises botocore's errors."""
    made = sts.assume_role(
        RoleArn=role_arn,
        RoleSessionName=f"tenant-{tenant}"[:_SESSION_NAME_CHARACTERS],
        DurationSeconds=SESSION_S,
        Tags=[{"Key": "tenant", "Value": tenant}],
    )["Credentials"]
    return {
        "access_key": made["AccessKeyId"],
        "secret_key": made["SecretAccessKey"],
        "token": made["SessionToken"],
        "expiry_time": made["Expiration"].isoformat(),
    }
