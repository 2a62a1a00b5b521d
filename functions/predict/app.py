"""PredictFunction: the HTTP data plane."""

from typing import Any

import media_routes
import oip_routes
from answers import begin_invocation
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambent.runtime.http import make_resolver
from lambent.runtime.observability import logger, metrics, tracer

app = make_resolver()
app.include_router(oip_routes.router)
app.include_router(media_routes.router)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    begin_invocation()
    return app.resolve(event, context)
