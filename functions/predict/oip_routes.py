"""What the Open Inference Protocol tells about server and models."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from call_routes import choose

from lambent import __version__
from lambent.adapters.litert import PLATFORM
from lambent.contracts import oip_metadata
from lambent.runtime.http import json_answer
from lambent.runtime.wiring import call_service, describe_service, predict_service, predict_settings
from lambent.services.predict import Timings

router = Router()


@router.get("/v2")
def server() -> Response[bytes | str]:
    """Server metadata."""
    return json_answer({"name": "lambent", "version": __version__, "extensions": oip_metadata.EXTENSIONS})


@router.get("/v2/health/live")
def live() -> Response[bytes | str]:
    """Whether the function runs: it does, if it answers."""
    return json_answer({"live": True})


@router.get("/v2/health/ready")
def ready() -> Response[bytes | str]:
    """Whether the registry can be read."""
    describe_service(predict_settings().table_name).models()
    return json_answer({"ready": True, "live": True})


@router.get("/v2/models")
def models() -> Response[bytes | str]:
    """Names of all models."""
    return json_answer({"models": describe_service(predict_settings().table_name).models()})


@router.get("/v2/models/<model>")
@router.get("/v2/models/<model>/versions/<version>")
def metadata(model: str, version: str | None = None) -> Response[bytes | str]:
    """Tell the inputs and outputs of a model."""
    served = predict_service().model(choose(model, version), Timings())
    versions = describe_service(predict_settings().table_name).versions(model)
    return json_answer(oip_metadata.metadata(served.contract, versions=versions, platform=PLATFORM))


@router.get("/v2/models/<model>/config")
@router.get("/v2/models/<model>/versions/<version>/config")
def configuration(model: str, version: str | None = None) -> Response[bytes | str]:
    """Tell a model's configuration, in Triton's words."""
    served = predict_service().model(choose(model, version), Timings())
    return json_answer(oip_metadata.configuration(served.contract, platform=PLATFORM))


@router.get("/v2/models/stats")
def statistics() -> Response[bytes | str]:
    """Tell counts and durations of the versions that this execution environment has answered with."""
    return json_answer(call_service().statistics.describe())


@router.get("/v2/models/<model>/stats")
@router.get("/v2/models/<model>/versions/<version>/stats")
def model_statistics(model: str, version: str | None = None) -> Response[bytes | str]:
    """Tell counts and durations of a model in this execution environment."""
    describe = describe_service(predict_settings().table_name)
    refs = describe.refs(model) if version is None else [describe.ref(choose(model, version))]
    return json_answer(call_service().statistics.describe(refs))


@router.get("/v2/models/<model>/ready")
@router.get("/v2/models/<model>/versions/<version>/ready")
def model_ready(model: str, version: str | None = None) -> Response[bytes | str]:
    """Whether a version is loaded, loading it if need be."""
    predict_service().model(choose(model, version), Timings())
    return json_answer({"name": model, "ready": True})
