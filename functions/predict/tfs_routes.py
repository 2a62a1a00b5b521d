"""What TensorFlow Serving, and KServe's version 1 on the same paths, tell about models."""

from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router
from call_routes import TFS_PATHS, parse_tfs_path

from lambent.runtime.http import json_answer
from lambent.runtime.wiring import describe_service, describe_tfs_service, predict_settings

router = Router()


@router.get("/")
def alive() -> Response[bytes | str]:
    """Say that the service runs, where the client of KServe's version 1 asks for it."""
    return json_answer({"status": "alive"})


@router.get("/v1/models")
def models() -> Response[bytes | str]:
    """Names of all models; KServe's, TensorFlow Serving has no such call."""
    return json_answer({"models": describe_service(predict_settings().table_name).models()})


@router.get(TFS_PATHS)
def describe() -> Response[bytes | str]:
    """Status or metadata of a model."""
    choice, rest = parse_tfs_path(unquote(router.current_event.path))
    service = describe_tfs_service()
    return json_answer(service.metadata(choice) if rest else service.status(choice))
