"""The HTTP door of a stack that is well, in this process: it answers as the functions do, for one model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import httpx
import numpy as np

from builders import tell_shade
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor_binary import array_to_bytes
from lambent.domain.model import Canary
from lambent.domain.postprocessing import postprocess
from lambent.domain.preprocessing import make_preprocessor
from lambent.domain.rollout import REQUEST_KEY_HEADER, gets_canary
from lambent_toolkit.doctor.trial import HEADER_LENGTH

HOST, STAGE = "https://id.execute-api.eu-west-1.amazonaws.com", "/dev"
KEY = "a-key-of-twenty-letters"
FORM_HOST = "shop-data.s3.eu-west-1.amazonaws.com"
LAYER_HOST = "awslambda-eu-west-1-layers.s3.eu-west-1.amazonaws.com"
Answer = Callable[[httpx.Request], httpx.Response]


def error(status: int, code: str) -> httpx.Response:
    fields = {"error": code, "code": code, "detail": code, "field": None, "retryable": False}
    return httpx.Response(status, json=fields)


class HttpDoor:
    """Answers requests; ``faults`` come first: method, pattern of the whole address, and what is answered.

    Parameters
    ----------
    epoch_s   what the Date of answers is
    stored    take an object that a form brings: key, body
    """

    def __init__(
        self, contract: ModelContract, *, canary: Canary, epoch_s: float, stored: Callable[[str, bytes], None]
    ) -> None:
        self.contract, self.canary, self.epoch_s, self._stored = contract, canary, epoch_s, stored
        self.faults: list[tuple[str, str, Answer]] = []
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.finished: set[str] = set()
        self._preprocessor = make_preprocessor(contract, {})

    def answer(self, request: httpx.Request) -> httpx.Response:
        for method, pattern, fault in self.faults:
            if request.method == method and re.search(pattern, str(request.url)):
                return fault(request)
        if request.url.host == FORM_HOST:
            return self._form(request)
        if request.url.host == LAYER_HOST:
            return httpx.Response(200, content=self.files[request.url.path])
        return self._api(request)

    def _form(self, request: httpx.Request) -> httpx.Response:
        assert "x-api-key" not in request.headers
        parts = dict(re.findall(rb'name="([^"]+)"[^\r]*(?:\r\n[^\r]+)*\r\n\r\n(.*?)\r\n--', request.read(), re.DOTALL))
        self._stored(parts[b"key"].decode(), parts[b"file"])
        return httpx.Response(204)

    def _api(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix(STAGE)
        if not request.url.path.startswith(STAGE + "/"):
            return httpx.Response(403, json={"message": "Forbidden"})
        if request.method == "OPTIONS":
            allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
            return httpx.Response(204, headers=allowed)
        if path in ("/docs", "/openapi.json"):
            return httpx.Response(200, json={"openapi": "3.1.1"}, headers=self._date())
        if request.headers.get("x-api-key") != KEY:
            return error(401, "auth_invalid")
        for pattern, act in self._routes().items():
            if found := re.fullmatch(pattern, f"{request.method} {path}"):
                return act(request, *found.groups())
        return error(404, "route_not_found")

    def _routes(self) -> dict[str, Callable[..., httpx.Response]]:
        return {
            "GET /v2/health/live": self._live,
            "GET /webhooks/secret": lambda _: httpx.Response(200, json={"secret": "whsec_c2VjcmV0"}),
            "POST /uploads": self._grant_upload,
            "GET /uploads/(.+)": lambda _, name: httpx.Response(200, json=self.uploads[name]),
            "POST /inputs": self._grant_input,
            "POST /jobs": lambda _: error(400, "json_invalid"),
            "GET /jobs/([^/]+)": self._job,
            "GET /jobs/([^/]+)/result": lambda *_: httpx.Response(200, json=self._predictions()),
            r"POST /models/shade/versions/(\d+)/predict": self._predict,
            r"POST /v2/models/shade/versions/(\w+)/infer": self._infer,
        }

    def _live(self, _: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"live": True})

    def _date(self) -> dict[str, str]:
        return {"Date": formatdate(self.epoch_s, usegmt=True)}

    def _grant_upload(self, request: httpx.Request) -> httpx.Response:
        name = f"up-{len(self.uploads)}"
        self.uploads[name] = {"id": name, "state": "pending", "result": None, "error": None}
        key = f"inbox/default/shade/{name}/{json.loads(request.read()).get('name', 'upload')}"
        location = {"Location": f"{STAGE}/uploads/{name}"}
        return httpx.Response(201, json={"id": name, "upload": self._form_for(key)}, headers=location)

    def _grant_input(self, request: httpx.Request) -> httpx.Response:
        key = f"inputs/default/0/{json.loads(request.read())['name']}"
        return httpx.Response(201, json={"uri": f"s3://shop-data/{key}", "upload": self._form_for(key)})

    def _form_for(self, key: str) -> dict[str, Any]:
        return {"url": f"https://{FORM_HOST}/", "fields": {"key": key}, "file_field": "file"}

    def _job(self, _: httpx.Request, job_id: str) -> httpx.Response:
        if job_id not in self.finished:
            return error(404, "job_not_found")
        return httpx.Response(200, json={"id": job_id, "state": "SUCCEEDED"})

    def _predict(self, request: httpx.Request, version: str) -> httpx.Response:
        self.last = request.read()
        if request.headers.get("prefer") == "respond-async":
            self.finished.add("call-1")
            return httpx.Response(202, json={"id": "call-1"}, headers={"Location": f"{STAGE}/jobs/call-1"})
        return httpx.Response(200, json=self._predictions(), headers={"Lambent-Model": f"shade@{version}"})

    def _predictions(self) -> dict[str, Any]:
        return {"predictions": [self.prediction(self.last)]}

    def prediction(self, item: bytes) -> dict[str, Any]:
        """Answer an item as people get it."""
        outputs = tell_shade(self._preprocessor.collate([self._preprocessor.prepare(item)]))
        (best,) = postprocess(outputs, self.contract, top_k=1)
        return {"label": best.label, "score": best.score}

    def _infer(self, request: httpx.Request, version: str) -> httpx.Response:
        key = request.headers.get(REQUEST_KEY_HEADER, "")
        is_canary = version == "live" and gets_canary("shade", "live", self.canary, key)
        answered = self.canary.version if is_canary else 1
        model = {"Lambent-Model": f"shade@{answered if version == 'live' else version}"}
        body, length = request.read(), request.headers.get(HEADER_LENGTH)
        if length is None:
            (sent,) = json.loads(body)["inputs"]
            scores = tell_shade({"image": np.array(sent["data"], np.float32).reshape(sent["shape"])})["scores"]
            told = {"name": "scores", "datatype": "FP32", "shape": [*scores.shape], "data": scores.ravel().tolist()}
            return httpx.Response(200, json={"outputs": [told]}, headers=model)
        (sent,) = json.loads(body[: int(length)])["inputs"]
        image = np.frombuffer(body[int(length) :], "<f4").reshape(sent["shape"])
        return httpx.Response(200, content=self.binary(tell_shade({"image": image})["scores"]), headers=model | BINARY)

    def binary(self, scores: np.ndarray) -> bytes:
        """Return a binary answer; its JSON is padded to the length that BINARY tells."""
        data = array_to_bytes(scores)
        sizes = {"binary_data_size": len(data)}
        told = {"name": "scores", "datatype": "FP32", "shape": [*scores.shape], "parameters": sizes}
        return json.dumps({"outputs": [told]}).encode().ljust(_JSON_BYTES) + data


_JSON_BYTES = 200
BINARY = {HEADER_LENGTH: str(_JSON_BYTES), "Content-Type": "application/octet-stream"}
