"""Signatures of webhooks, by the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks).

The specification's own package verifies what this signs in the tests, where it could not if both were the same code.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

_PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64
PREVIOUS_SIGNS_FOR_S = 86_400


@dataclass(frozen=True)
class WebhookSecret:
    """What signs a tenant's webhooks; ``previous`` does, too, until ``previous_until_s`` (seconds since 1970)."""

    current: str
    created_at: str
    revision: int = 1
    previous: str | None = None
    previous_until_s: int | None = None

    def valid_at(self, now_s: float) -> tuple[str, ...]:
        """Return the secrets that sign at a time (seconds since 1970), the current one first."""
        if self.previous is None or self.previous_until_s is None or now_s >= self.previous_until_s:
            return (self.current,)
        return (self.current, self.previous)

    def rotated(self, new: str, *, at: str, now_s: float) -> WebhookSecret:
        """Return what signs once ``new`` is the secret."""
        until_s = int(now_s) + PREVIOUS_SIGNS_FOR_S
        return WebhookSecret(new, at, self.revision + 1, self.current, until_s)


def to_secret(key: bytes) -> str:
    """Return a key as receivers configure it."""
    return _PREFIX + b64encode(key).decode()


def signed_headers(event_id: str, body: bytes, *, secrets: Iterable[str], now_s: float) -> dict[str, str]:
    """Return the header fields of one attempt: id, time of the attempt and one signature by each secret."""
    timestamp = str(int(now_s))
    content = f"{event_id}.{timestamp}.".encode() + body
    signatures = [_signature(secret, content) for secret in secrets]
    return {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def _signature(secret: str, content: bytes) -> str:
    key = b64decode(secret.removeprefix(_PREFIX))
    return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()
