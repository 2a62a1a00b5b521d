"""The secret that signs webhooks, asked for at a running stack's HTTP door."""

from __future__ import annotations

import httpx
import msgspec

from lambent.contracts.notifications import WebhookSecretView
from lambent.errors import Unavailable, restore_error
from lambent_toolkit.stacks.stack import Door

_PATH = "/webhooks/secret"
_TIMEOUT_S = 60.0  # a cold start on a busy laptop included


def webhook_secret(door: Door, *, is_rotated: bool = False) -> WebhookSecretView:
    """Return the secret of the tenant to whom the door's key belongs, a new one if it is to be exchanged.

    Raises
    ------
    LambentError   what the door refused with; Unavailable as well if it does not answer
    """
    try:
        answer = httpx.request(
            "POST" if is_rotated else "GET", door.url + _PATH, headers={"x-api-key": door.api_key}, timeout=_TIMEOUT_S
        )
    except httpx.HTTPError as exc:
        raise Unavailable("The stack's HTTP door does not answer; see `lambent status`.") from exc
    if not answer.is_success:
        raise _refusal(answer)
    return msgspec.json.decode(answer.content, type=WebhookSecretView)


def _refusal(answer: httpx.Response) -> Exception:
    """Return the API's error; what has another form, such as a redirect, comes from something before it."""
    try:
        return restore_error(answer.json())
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"{answer.request.url} answered HTTP {answer.status_code}, and not as Lambent does.")
