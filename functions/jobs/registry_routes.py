"""Registry reads."""

from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.media_types import JSON, MARKDOWN, choose_media_type
from lambent.contracts.paging import cut_page
from lambent.domain.model import ModelChoice
from lambent.runtime.callers import caller_of
from lambent.runtime.http import http_event, json_answer, whole_answer
from lambent.runtime.wiring import describe_service, jobs_settings
from lambent.runtime.wiring_jobs import show_version_service

router = Router()
_VARY = {"Vary": "Accept"}


@router.get("/models")
def models() -> Response[bytes | str]:
    """List the models, a page at a time."""
    caller = caller_of(http_event(router.current_event))
    query = router.current_event.query_string_parameters or {}
    names = describe_service(jobs_settings().table_name).models()
    page = cut_page(names, scope=f"{caller.tenant}/models", limit=query.get("limit"), cursor=query.get("cursor"))
    body: dict[str, Any] = {"models": page.names}
    return json_answer(body if page.next_cursor is None else {**body, "next_cursor": page.next_cursor})


@router.get("/models/<model>")
def model(model: str) -> Response[bytes | str]:
    """Versions and labels of a model, and the card of its live version; or that card alone, as Markdown."""
    caller_of(http_event(router.current_event))
    if _is_card_wanted():
        return _card(ModelChoice(model))
    return json_answer(msgspec.json.encode(show_version_service().model(model)), headers=_VARY)


@router.get("/models/<model>/versions/<version>")
def version(model: str, version: str) -> Response[bytes | str]:
    """One version with its card; or its card alone, as Markdown."""
    caller_of(http_event(router.current_event))
    if _is_card_wanted():
        return _card(ModelChoice(model, version=version))
    return json_answer(msgspec.json.encode(show_version_service().version(model, version)), headers=_VARY)


def _is_card_wanted() -> bool:
    return choose_media_type(router.current_event.headers.get("accept"), (JSON, MARKDOWN)) == MARKDOWN


def _card(choice: ModelChoice) -> Response[bytes | str]:
    card = show_version_service().card(choice)
    headers = {**_VARY, "Lambent-Model": str(card.ref)}
    return whole_answer(card.markdown.encode(), content_type=f"{MARKDOWN}; charset=utf-8", headers=headers)
