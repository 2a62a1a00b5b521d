"""JobsFunction: jobs, uploads and registry reads over HTTP; never imports numpy."""

from typing import Any

import docs_routes
import job_routes
import registry_routes
import upload_routes
import webhook_routes
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.cors import share_answer
from lambent.runtime.foreign_requests import refuse_foreign
from lambent.runtime.http import make_resolver
from lambent.runtime.observability import REQUESTS, count, logger, metrics
from lambent.runtime.time_left import at_the_door

app = make_resolver()
app.include_router(job_routes.router)
app.include_router(upload_routes.router)
app.include_router(webhook_routes.router)
app.include_router(registry_routes.router)
app.include_router(docs_routes.router)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request; raises EventUnknown for what is none."""
    if (refusal := refuse_foreign(event, request_id=context.aws_request_id)) is not None:
        return refusal
    count(REQUESTS)
    with at_the_door(context, event):
        answer = app.resolve(event, context)
    return share_answer(answer, event)
