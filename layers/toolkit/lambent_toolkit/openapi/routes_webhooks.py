"""Webhooks: what a receiver gets, and the secret that signs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambent import errors
from lambent_toolkit.openapi import samples
from lambent_toolkit.openapi.parameters import headers, json_answer, json_content
from lambent_toolkit.openapi.route import Route
from lambent_toolkit.openapi.schema_parts import STRING, ref

WEBHOOKS = {
    "name": "Webhooks",
    "description": "A batch whose request says `notification.webhook.url` is told of by POST when it has ended: "
    "[JobEvent](#schema/JobEvent), signed by the [Standard Webhooks](https://www.standardwebhooks.com) specification, "
    "whose libraries verify it. Take it with any status of 2xx within 15 seconds. Anything else is tried again for a "
    "day, after 5 to 10 seconds at first and 1 to 2 hours at last; 410 ends it. The same event may come twice, with "
    "the same `webhook-id`. Addresses are https, name a public host and take port 443 or 8443; redirects are not "
    "followed.",
}
_SECRET = {
    "secret": "whsec_bGFtYmVudC1kb2NzLWxhbWJlbnQtZG9jcy1sYW1iZW4=",
    "created_at": "2026-11-27T04:00:00.000Z",
    "previous_valid_until": None,
}
_EVENT = {
    "schema_version": 1,
    "id": "evt_0123456789abcdef0123456789abcdef",
    "type": "lambent.job.succeeded",
    "timestamp": "2026-11-27T04:00:00.000Z",
    "data": {
        "job_id": "docs-1",
        "kind": "batch",
        "state": "SUCCEEDED",
        "model": samples.MODEL,
        "version": "1",
        "lane": "cpu",
        "total": 3,
        "done": 3,
        "failed": 0,
        "created_at": "2026-11-27T03:59:00.000Z",
        "ended_at": "2026-11-27T04:00:00.000Z",
        "results": "/jobs/docs-1/results",
    },
}


def routes() -> Iterator[Route]:
    """Yield the routes of webhooks' secrets."""
    shown = json_answer("The secret; the tenant's first request makes it.", ref("WebhookSecretView"), _SECRET)
    yield Route(
        operation_id="webhook_secret",
        method="get",
        path="/webhooks/secret",
        tag=WEBHOOKS["name"],
        summary="The secret that signs your webhooks",
        description="The same for all webhooks of a tenant, for keys with the scope `jobs`. Give it to the receiver, "
        "and to nobody else.",
        answers={200: {**shown, "headers": headers("Cache-Control")}},
        errors=(errors.InProgress,),
        samples=[samples.curl_json("get", "/webhooks/secret")],
    )
    rotated = {**_SECRET, "previous_valid_until": "2026-11-28T04:00:00.000Z"}
    answer = json_answer("The new secret.", ref("WebhookSecretView"), rotated)
    yield Route(
        operation_id="rotate_webhook_secret",
        method="post",
        path="/webhooks/secret",
        tag=WEBHOOKS["name"],
        summary="Exchange the secret that signs your webhooks",
        description="For a day both secrets sign each webhook, so that a receiver that knows either takes it.",
        answers={200: {**answer, "headers": headers("Cache-Control")}},
        errors=(errors.InProgress,),
        samples=[samples.curl_json("post", "/webhooks/secret")],
    )


def webhooks() -> dict[str, Any]:
    """Return OpenAPI's ``webhooks``: the requests that receivers get."""
    operation = {
        "operationId": "job_ended",
        "tags": [WEBHOOKS["name"]],
        "summary": "A job has ended",
        "description": "`webhook-id` is the event's own id, by which a receiver knows one that it had before.",
        "parameters": [
            _header("webhook-id", "The event's id, `evt_` and 32 digits."),
            _header("webhook-timestamp", "The time of this attempt, in seconds since 1970."),
            _header(
                "webhook-signature",
                "`v1,` and the signature in base64; two with a space between them for a day "
                "after the secret was exchanged.",
            ),
        ],
        "requestBody": {"required": True, "content": json_content(ref("JobEvent"), ended=_EVENT)},
        "responses": {
            "2XX": {"description": "Taken."},
            "410": {"description": "Never again for this job."},
            "default": {"description": "Not taken; it is tried again for a day."},
        },
        "security": [],
    }
    return {"job_ended": {"post": operation}}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": STRING}
