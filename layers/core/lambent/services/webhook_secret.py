"""The secrets that sign webhooks: one a tenant, made when it is first needed, exchanged without a gap."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes

from lambent.contracts.notifications import WebhookSecretView
from lambent.domain.model import Change
from lambent.domain.timestamps import to_timestamp
from lambent.domain.webhook_signing import SECRET_BYTES, WebhookSecret, to_secret
from lambent.errors import InProgress
from lambent.ports import Clock, SecretStore


class WebhookSecretService:
    """Secrets of one tenant at a time. ``draw`` returns that many random bytes."""

    def __init__(self, secrets: SecretStore, clock: Clock, *, draw: Callable[[int], bytes] = token_bytes) -> None:
        self._secrets = secrets
        self._clock = clock
        self._draw = draw

    def secret(self, tenant: str) -> WebhookSecret:
        """Return a tenant's secret, a new one if it has none; raises InProgress, Unavailable."""
        known = self._secrets.get(tenant)
        if known is not None:
            return known
        new = WebhookSecret(self._new(), self._clock.now())
        if self._secrets.put(tenant, new):
            return new
        first = self._secrets.get(tenant)
        if first is None:
            raise _changed()
        return first

    def rotate(self, tenant: str, *, by: str) -> WebhookSecret:
        """Give a tenant a new secret in the name of ``by``; the old one signs beside it for a day.

        Raises
        ------
        InProgress    somebody else changed it in this moment
        Unavailable
        """
        rotated = self.secret(tenant).rotated(self._new(), at=self._clock.now(), now_s=self._clock.epoch_s())
        if not self._secrets.put(tenant, rotated, change=Change(self._clock.now(), by, "")):
            raise _changed()
        return rotated

    def view(self, secret: WebhookSecret) -> WebhookSecretView:
        """Return a secret as the API shows it."""
        has_previous = len(secret.valid_at(self._clock.epoch_s())) > 1
        until_s = secret.previous_until_s if has_previous else None
        return WebhookSecretView(
            secret=secret.current,
            created_at=secret.created_at,
            previous_valid_until=None if until_s is None else to_timestamp(until_s),
        )

    def _new(self) -> str:
        return to_secret(self._draw(SECRET_BYTES))


def _changed() -> InProgress:
    return InProgress("The secret was changed in this moment; try again.")
