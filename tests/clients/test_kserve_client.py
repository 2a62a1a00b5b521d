"""KServe's InferenceRESTClient, both of its protocols."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from door import Door
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

T = TypeVar("T")


def ask(protocol: str, question: Callable[[InferenceRESTClient], Awaitable[T]]) -> T:
    async def answer() -> T:
        async with InferenceRESTClient(RESTConfig(protocol=protocol)) as client:
            return await question(client)

    return asyncio.run(answer())


def request(seven_tensor: dict[str, Any], **outputs: Any) -> InferRequest:
    tensor = InferInput("image", [1, 28, 28, 1], "FP32", data=seven_tensor["data"])
    return InferRequest("digits", [tensor], request_id="mine", **outputs)


def test_v2_says_live_and_ready(door: Door) -> None:
    assert ask("v2", lambda client: client.is_server_live(door.url, headers=door.headers)) is True
    assert ask("v2", lambda client: client.is_server_ready(door.url, headers=door.headers)) is True


@pytest.mark.parametrize(("model", "is_ready"), [("digits", True), ("nobody", False)])
def test_v2_tells_whether_a_model_is_ready(door: Door, model: str, is_ready: bool) -> None:
    assert ask("v2", lambda client: client.is_model_ready(door.url, model, headers=door.headers)) is is_ready


def test_v2_infers_in_json(door: Door, seven_tensor: dict[str, Any]) -> None:
    given = request(seven_tensor)

    answer = ask("v2", lambda client: client.infer(door.url, given, "digits", headers=door.headers))

    assert (answer.id, answer.model_name) == ("mine", "digits")
    assert np.argmax(answer.outputs[0].data) == 7


def test_v2_infers_in_binary(door: Door, seven_tensor: dict[str, Any]) -> None:
    tensor = InferInput("image", [1, 28, 28, 1], "FP32")
    tensor.set_data_from_numpy(np.array(seven_tensor["data"], np.float32).reshape(1, 28, 28, 1), binary_data=True)
    given = InferRequest("digits", [tensor], request_outputs=[RequestedOutput("scores", {"binary_data": True})])

    answer = ask("v2", lambda client: client.infer(door.url, given, "digits", headers=door.headers))

    assert answer.outputs[0].as_numpy().argmax() == 7


def test_v2_reports_an_error_with_our_text(door: Door, seven_tensor: dict[str, Any]) -> None:
    given = request(seven_tensor)

    with pytest.raises(httpx.HTTPStatusError, match="no such model") as caught:
        ask("v2", lambda client: client.infer(door.url, given, "nobody", headers=door.headers))

    assert caught.value.response.status_code == 404


def test_v1_says_live(door: Door) -> None:
    assert ask("v1", lambda client: client.is_server_live(door.url, headers=door.headers)) is True


def test_v1_says_that_the_model_is_ready(door: Door) -> None:
    assert ask("v1", lambda client: client.is_model_ready(door.url, "digits", headers=door.headers)) is True


def test_v1_predicts(door: Door, seven_tensor: dict[str, Any]) -> None:
    rows = np.array(seven_tensor["data"]).reshape(1, 28, 28, 1).tolist()

    answer = ask("v1", lambda client: client.infer(door.url, {"instances": rows}, "digits", headers=door.headers))

    assert np.argmax(answer["predictions"][0]) == 7


def test_v1_reports_an_error_with_our_text(door: Door) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="instances") as caught:
        ask("v1", lambda client: client.infer(door.url, {"rows": []}, "digits", headers=door.headers))

    assert 400 <= caught.value.response.status_code < 500
