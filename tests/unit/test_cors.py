"""Who may read the answers: pages of declared origins (Fetch, 3.2)."""

from collections.abc import Callable
from typing import Any

import pytest

from lambent.runtime import wiring
from lambent.runtime.cors import EXPOSED, share_answer
from lambent_toolkit.openapi.parameters import HEADERS

OWN, OTHER = "https://own.example", "https://other.example:8443"
# What every script may read (Fetch, 2.2.2).
SAFELISTED = {"Cache-Control"}

Share = Callable[..., dict[str, list[str]]]


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> Share:
    """Return a function that gives the header fields of an answer to a page of an origin."""

    def share(allowed: str, origin: str | None, **headers: list[str]) -> dict[str, list[str]]:
        monkeypatch.setenv("ALLOWED_ORIGINS", allowed)
        wiring.allowed_origins.cache_clear()
        asked: dict[str, Any] = {
            "resource": "/jobs",
            "httpMethod": "POST",
            "headers": {} if origin is None else {"oRIGIN": origin},
        }
        answer = {"statusCode": 422, "multiValueHeaders": headers, "body": "{}"}
        shared = share_answer(answer, asked)
        wiring.allowed_origins.cache_clear()
        assert (shared["statusCode"], shared["body"]) == (422, "{}")
        return dict(shared["multiValueHeaders"])

    return share


@pytest.mark.parametrize("origin", [OWN, OTHER])
def test_a_declared_origin_is_named_in_the_answer(share: Share, origin: str) -> None:
    headers = share(f"{OWN},{OTHER}", origin, Location=["/dev/jobs/1"])

    assert headers == {
        "Location": ["/dev/jobs/1"],
        "Vary": ["Origin"],
        "Access-Control-Allow-Origin": [origin],
        "Access-Control-Expose-Headers": [", ".join(EXPOSED)],
    }


@pytest.mark.parametrize("origin", [None, "null", "https://own.example.evil", "http://own.example", OWN.upper(), "*"])
def test_another_origin_is_told_nothing_and_a_cache_knows_why(share: Share, origin: str | None) -> None:
    assert share(f"{OWN},{OTHER}", origin) == {"Vary": ["Origin"]}


def test_an_answer_that_varies_already_varies_by_origin_too(share: Share) -> None:
    assert share(OWN, OWN, Vary=["Accept"])["Vary"] == ["Accept, Origin"]


@pytest.mark.parametrize("origin", [None, OTHER])
def test_all_origins_are_let_in_by_one_answer(share: Share, origin: str | None) -> None:
    headers = share("*", origin)

    assert headers["Access-Control-Allow-Origin"] == ["*"]
    assert "Vary" not in headers


def test_without_declared_origins_answers_stay_as_they_are(share: Share) -> None:
    assert share("", OWN, Vary=["Accept"]) == {"Vary": ["Accept"]}


def test_credentials_are_never_asked_for(share: Share) -> None:
    assert not [name for allowed in (OWN, "*") for name in share(allowed, OWN) if "Credentials" in name]


def test_a_page_may_read_every_field_that_the_document_names() -> None:
    assert {*EXPOSED} == HEADERS.keys() - SAFELISTED
