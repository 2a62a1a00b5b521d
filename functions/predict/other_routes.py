"""What is asked besides predictions, by Powertools' resolver; imported when first asked for."""

from functools import cache

import oip_routes
import repository_routes
import tfs_routes
from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from lambent.runtime.http import make_resolver


@cache
def resolver() -> APIGatewayRestResolver:
    """Return the resolver of all routes that are no predictions."""
    app = make_resolver()
    app.include_router(oip_routes.router)
    app.include_router(repository_routes.router)
    app.include_router(tfs_routes.router)
    return app
