"""The paths of predictions, found without Powertools' resolver: importing and passing it takes longer than a digit."""

import re
from urllib.parse import unquote

from lambent.domain.call import Operation
from lambent.domain.model import ModelChoice
from lambent.errors import RequestMalformed, RouteNotFound

# Every POST here is a prediction. API Gateway cannot route {model}:predict, so all of TensorFlow Serving is one route.
TFS_PATHS = "/v1/.+"
ROUTES = {
    "/v2/models/<model>/infer": Operation.OIP_INFER,
    "/v2/models/<model>/versions/<version>/infer": Operation.OIP_INFER,
    "/models/<model>/predict": Operation.MEDIA_PREDICT,
    "/models/<model>/versions/<version>/predict": Operation.MEDIA_PREDICT,
    "/models/<model>/labels/<label>/predict": Operation.MEDIA_PREDICT,
}
_PATTERNS = [(re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path)), operation) for path, operation in ROUTES.items()]
_TFS_MODEL = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?P<choices>(?:/(?:versions|labels)/[^/:]+)*)(?P<rest>/metadata)?"
)
_TFS_CHOICE = re.compile(r"/(versions|labels)/([^/]+)")
_TFS_OPERATIONS = {
    "predict": Operation.TFS_PREDICT,
    "classify": Operation.TFS_CLASSIFY,
    "regress": Operation.TFS_REGRESS,
}


def find_call(method: str, path: str) -> tuple[Operation, ModelChoice] | None:
    """Return what a request asks of which model, or None if it asks for no prediction.

    Raises
    ------
    RouteNotFound      TensorFlow Serving has no such path or method
    RequestMalformed   a version and a label
    """
    if method != "POST":
        return None
    if path.startswith("/v1/"):
        return _find_tfs_call(path)
    for pattern, operation in _PATTERNS:
        if found := pattern.fullmatch(path):
            named = found.groupdict()
            if operation is Operation.OIP_INFER:
                return operation, choose(named["model"], named.get("version"))
            return operation, ModelChoice(named["model"], named.get("version"), named.get("label"))
    return None


def choose(model: str, version: str | None) -> ModelChoice:
    """Take a label where the Open Inference Protocol has a version."""
    if version is None or version.isdigit():
        return ModelChoice(model, version=version)
    return ModelChoice(model, label=version)


def parse_tfs_path(path: str) -> tuple[ModelChoice, str | None]:
    """Return the model that a path of TensorFlow Serving names, and ``/metadata`` if it ends so.

    Raises
    ------
    RouteNotFound      no such path
    RequestMalformed   a version and a label
    """
    found = _TFS_MODEL.fullmatch(path)
    if found is None:
        raise RouteNotFound("There is no such path; see /v1/models/{model}[/versions/{version} | /labels/{label}].")
    choices = _TFS_CHOICE.findall(found["choices"])
    if len(choices) > 1:
        raise RequestMalformed("Malformed request: name one version or one label, not both.", field="path")
    named = dict(choices)
    return ModelChoice(found["model"], named.get("versions"), named.get("labels")), found["rest"]


def _find_tfs_call(path: str) -> tuple[Operation, ModelChoice]:
    path, _, method = unquote(path).rpartition(":")
    operation = _TFS_OPERATIONS.get(method)
    if method == "explain":
        raise RouteNotFound("This service does not explain predictions yet; use :predict, :classify or :regress.")
    choice, rest = parse_tfs_path(path)
    if operation is None or rest:
        raise RouteNotFound("There is no such method; use /v1/models/{model}:predict, :classify or :regress.")
    return operation, choice
