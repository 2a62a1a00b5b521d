"""Answers that the gateway gives itself."""

from typing import Any

import pytest

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.gateway_mock import read_mock
from lambent_toolkit.sandbox.http_messages import BinaryTypes, HttpRequest

EVERYTHING, PICTURES = BinaryTypes(["*~1*"]), BinaryTypes(["image~1*"])


def mock(*, response: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer = {
        "statusCode": "200",
        "responseTemplates": {"application/json": "{}"},
        "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
        **(response or {}),
    }
    return {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {"default": answer},
        **more,
    }


def preflight(media_type: str | None = None) -> HttpRequest:
    headers = [("Content-Type", media_type)] if media_type else []
    return HttpRequest("OPTIONS", "/x", "", headers, b"", "127.0.0.1")


def test_a_fixed_answer_is_given_with_its_headers() -> None:
    answer = read_mock(mock(), "OPTIONS /x").answer(preflight(), PICTURES)

    assert answer is not None
    assert (answer.status, answer.body) == (200, b"{}")
    assert ("Access-Control-Allow-Origin", "*") in answer.headers


def test_an_api_of_binary_bodies_breaks_down_on_a_preflight_unless_it_is_made_text() -> None:
    broken = read_mock(mock(), "OPTIONS /x").answer(preflight(), EVERYTHING)
    answered = read_mock(mock(contentHandling="CONVERT_TO_TEXT"), "OPTIONS /x").answer(preflight(), EVERYTHING)

    assert broken is None
    assert answered is not None


@pytest.mark.parametrize(
    "wrong",
    [
        mock(responses={}),
        mock(requestTemplates={"application/json": '#set($a = 1){"statusCode": 200}'}),
        mock(requestTemplates={}),
        mock(response={"responseTemplates": {"application/json": "$input.body"}}),
        mock(response={"responseParameters": {"method.response.header.X": "integration.response.header.X"}}),
    ],
    ids=["no_answer", "computed_request", "no_status", "computed_body", "computed_header"],
)
def test_what_is_no_fixed_answer_is_refused_with_its_place(wrong: dict[str, Any]) -> None:
    with pytest.raises(BrokenTemplate, match="OPTIONS /x: "):
        read_mock(wrong, "OPTIONS /x")
