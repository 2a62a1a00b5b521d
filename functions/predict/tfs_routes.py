"""TensorFlow Serving routes, and KServe's version 1, which are the same paths."""

import re
from urllib.parse import unquote

from answers import answer
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from lambent.domain.call import Operation
from lambent.domain.model import ModelChoice
from lambent.errors import RequestMalformed, RouteNotFound
from lambent.runtime.http import json_answer
from lambent.runtime.wiring import describe_service, describe_tfs_service, predict_settings

router = Router()

# API Gateway cannot route {model}:predict, so everything under /v1 comes here.
_ANY = "/v1/.+"
_MODEL = re.compile(r"/v1/models/(?P<model>[^/:]+)(?P<choices>(?:/(?:versions|labels)/[^/:]+)*)(?P<rest>/metadata)?")
_CHOICE = re.compile(r"/(versions|labels)/([^/]+)")
_OPERATIONS = {
    "predict": Operation.TFS_PREDICT,
    "classify": Operation.TFS_CLASSIFY,
    "regress": Operation.TFS_REGRESS,
}


@router.get("/")
def alive() -> Response[bytes]:
    """Say that the service runs, where the client of KServe's version 1 asks for it."""
    return json_answer({"status": "alive"})


@router.get("/v1/models")
def models() -> Response[bytes]:
    """Names of all models; KServe's, TensorFlow Serving has no such call."""
    return json_answer({"models": describe_service(predict_settings().table_name).models()})


@router.get(_ANY)
def describe() -> Response[bytes]:
    """Status or metadata of a model."""
    choice, rest = _parse(unquote(router.current_event.path))
    service = describe_tfs_service()
    return json_answer(service.metadata(choice) if rest else service.status(choice))


@router.post(_ANY)
def call() -> Response[bytes | str]:
    """Predict, classify or regress."""
    path, _, method = unquote(router.current_event.path).rpartition(":")
    operation = _OPERATIONS.get(method)
    if method == "explain":
        raise RouteNotFound("This service does not explain predictions yet; use :predict, :classify or :regress.")
    choice, rest = _parse(path)
    if operation is None or rest:
        raise RouteNotFound("There is no such method; use /v1/models/{model}:predict, :classify or :regress.")
    return answer(operation, choice, router.current_event)


def _parse(path: str) -> tuple[ModelChoice, str | None]:
    found = _MODEL.fullmatch(path)
    if found is None:
        raise RouteNotFound("There is no such path; see /v1/models/{model}[/versions/{version} | /labels/{label}].")
    choices = _CHOICE.findall(found["choices"])
    if len(choices) > 1:
        raise RequestMalformed("Malformed request: name one version or one label, not both.", field="path")
    named = dict(choices)
    return ModelChoice(found["model"], named.get("versions"), named.get("labels")), found["rest"]
