"""Registry reads."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.contracts.paging import cut_page
from lambent.runtime.callers import caller_of
from lambent.runtime.http import http_event, json_answer
from lambent.runtime.wiring import describe_service, jobs_settings

router = Router()


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
    """Versions and labels of a model."""
    caller_of(http_event(router.current_event))
    return json_answer(describe_service(jobs_settings().table_name).model(model))
