"""What is asked besides predictions, by Powertools' resolver; imported when first asked for."""

from functools import cache

import oip_routes
import repository_routes
import tfs_routes
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from lambent.runtime.callers import check_scope
from lambent.runtime.http import http_event, make_resolver


@cache
def resolver() -> APIGatewayRestResolver:
    """Return the resolver of all routes that are no predictions."""
    app = make_resolver()
    app.use(middlewares=[admit])
    app.include_router(oip_routes.router)
    app.include_router(repository_routes.router)
    app.include_router(tfs_routes.router)
    return app


def admit(app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[bytes | str]:
    """Let through whose key is registered and opens anything at all; what a route needs beside, it asks itself."""
    check_scope(http_event(app.current_event))
    return next_middleware(app)
