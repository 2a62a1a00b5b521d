"""The few AWS calls that the supervisor makes while it runs, without blocking its event loop.

boto3 would need threads, and a thread takes the interpreter from the gateway; these calls are plain JSON over HTTP.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx

from lambent_toolkit.sandbox.iam.credentials import ADMINISTRATOR, SESSION_PATH, Credentials, session_order
from lambent_toolkit.sandbox.options import REGION
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD

TARGETS = {"sqs": "AmazonSQS", "events": "AWSEvents"}
JSON_VERSIONS = {"sqs": "1.0", "events": "1.1"}


class AwsCallFailed(Exception):
    """The storage answered with an error."""


class AwsCalls:
    """Calls one endpoint.

    Parameters
    ----------
    endpoint : str    the storage's address
    secret : str      what the stack's own parts show each other

    Attributes
    ----------
    credentials : Credentials   who calls: the account's owner
    endpoint : str
    """

    def __init__(self, endpoint: str, secret: str) -> None:
        self.credentials = ADMINISTRATOR
        self.endpoint = endpoint
        self._headers: dict[str, str] = {SECRET_FIELD: secret}
        # No limit on connections: every poller holds one open while it waits.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._http = httpx.AsyncClient(base_url=endpoint, timeout=httpx.Timeout(60), limits=limits, trust_env=False)

    async def call(self, service: str, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Make one call of a service with a JSON protocol, e.g. sqs ReceiveMessage.

        Raises
        ------
        AwsCallFailed   the storage refused, or is gone
        """
        headers = {
            "X-Amz-Target": f"{TARGETS[service]}.{operation}",
            "Content-Type": f"application/x-amz-json-{JSON_VERSIONS[service]}",
        }
        return await self._request("POST", "/", service, json.dumps(payload).encode(), headers)

    async def get(self, service: str, path: str) -> dict[str, Any]:
        """Read from a service with a REST protocol."""
        return await self._request("GET", path, service, b"", {})

    async def post(self, service: str, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call a service with a REST protocol."""
        body = json.dumps(payload).encode()
        return await self._request("POST", path, service, body, {"Content-Type": "application/json"})

    def acting_as(self, credentials: Credentials) -> AwsCalls:
        """Return the same connection for another caller."""
        other = copy.copy(self)
        other.credentials = credentials
        return other

    def acting_for(self, service: str, *, source_arn: str) -> AwsCalls:
        """Return the same connection for a service of AWS that acts for something of this account."""
        other = copy.copy(self)
        acting = {"X-Lambent-Service": service, "X-Lambent-Source-Arn": source_arn}
        other._headers = self._headers | acting  # noqa: SLF001 - its own
        return other

    async def session(self, role_arn: str, *, service: str, session: str, source_arn: str) -> Credentials:
        """Return credentials of a role for what a service starts.

        Raises
        ------
        AwsCallFailed   there is no such role, or it does not trust the service
        """
        order = session_order(role_arn, service=service, session=session, source_arn=source_arn)
        return Credentials.read(await self.post("sts", SESSION_PATH, order))

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def _request(
        self, method: str, path: str, service: str, body: bytes, headers: dict[str, str]
    ) -> dict[str, Any]:
        try:
            response = await self._http.request(
                method, path, content=body, headers={**headers, **self._headers, **_signed(service, self.credentials)}
            )
        except httpx.HTTPError as exc:
            raise AwsCallFailed(f"{service}: the storage does not answer: {exc!r}") from exc
        if not response.is_success:
            raise AwsCallFailed(f"{service} {path}: {response.status_code} {response.text[:300]}")
        return dict(response.json()) if response.content else {}


def _signed(service: str, credentials: Credentials) -> dict[str, str]:
    # moto reads the service from the credential's scope and checks no signature.
    scope = f"{credentials.key_id}/20260101/{REGION}/{service}/aws4_request"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "X-Amz-Security-Token": credentials.token,
    }
