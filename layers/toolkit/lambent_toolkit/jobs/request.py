"""A batch request of what a person asks for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from lambent_toolkit.jobs.client import Json

_SPAN = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MOST_OF_A_NAME = 30


def batch_request(
    job_id: str | None, model: str, source: Json, *, output: Json, now: datetime | None = None, **options: Any
) -> Json:
    """Return the body of POST /jobs.

    Parameters
    ----------
    job_id    made of the model's name, the time and chance if None, so that a request that is sent twice is one job
    source    the request's ``input``
    output    ``format`` and ``compression``
    options   version, label, lane, deadline, priority, webhook, order; what is None is left to the API
    """
    at = now or datetime.now(UTC)
    request: Json = {
        "schema_version": 1,
        "id": job_id or f"{model[:_MOST_OF_A_NAME].replace('_', '-')}-{at:%Y%m%d-%H%M%S}-{token_hex(2)}",
        "model": model,
        "input": source,
        "lane": options.pop("lane", None) or "auto",
    }
    for name in ("version", "label", "priority"):
        if options.get(name) is not None:
            request[name] = options[name]
    if options.get("deadline") is not None:
        request["deadline"] = deadline_of(options["deadline"], now=at)
    if options.get("webhook") is not None:
        request["notification"] = {"webhook": {"url": options["webhook"]}}
    wanted = {**output, "order": options.get("order") or "item"}
    if wanted != {"format": "jsonl", "compression": "none", "order": "item"}:
        request["output"] = wanted
    return request


def deadline_of(text: str, *, now: datetime) -> str:
    """Return a deadline as RFC 3339: ``90s``, ``30m``, ``2h`` or ``1d`` from now; another text the API checks."""
    span = span_of(text)
    if span is None:
        return text
    at = now + span
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def span_of(text: str) -> timedelta | None:
    """Return the time that ``90s``, ``30m``, ``2h`` or ``1d`` is, None for another text."""
    span = _SPAN.fullmatch(text)
    return None if span is None else timedelta(**{_UNITS[span[2]]: int(span[1])})
