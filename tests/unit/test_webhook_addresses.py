"""Where webhooks may go: what an address says, and what its name turns out to be."""

from __future__ import annotations

import pytest
from call_steps import Crash
from job_steps import ready, submitter

from builders import TENANT, request
from hostile_webhooks import BROKEN_URLS, INSIDE_ADDRESSES, PUBLIC_ADDRESSES
from lambent.adapters.webhook_http import HttpWebhookSender
from lambent.contracts.notifications import JobNotification, WebhookTarget
from lambent.domain.job_states import JobState
from lambent.domain.public_addresses import is_public
from lambent.domain.webhook_url import WebhookAddress, read_webhook_url
from lambent.errors import UrlRefused
from lambent_toolkit.fakes import FakeQueue

NOBODY: frozenset[str] = frozenset()


def asking(url: str) -> JobNotification:
    return JobNotification(webhook=WebhookTarget(url=url))


@pytest.mark.parametrize(("rule", "url"), BROKEN_URLS, ids=lambda each: repr(each)[:60])
def test_an_address_is_refused_by_the_rule_that_it_breaks_and_is_not_repeated(rule: object, url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        read_webhook_url(url, trusted_hosts=NOBODY)

    assert (refused.value.field, refused.value.limit, refused.value.got) == ("notification.webhook.url", rule, None)
    assert len(url) < 9 or url not in refused.value.detail


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://example.com?a=1", "example.com", 443, "/?a=1", "example.com"),
        ("HTTPS://Hooks.Example.COM:443/A%20b?c=d&e", "hooks.example.com", 443, "/A%20b?c=d&e", "hooks.example.com"),
        ("https://example.com:8443/hook", "example.com", 8443, "/hook", "example.com:8443"),
        ("https://xn--exmple-cua.com/hook", "xn--exmple-cua.com", 443, "/hook", "xn--exmple-cua.com"),
        ("https://1.example.xn--p1ai/", "1.example.xn--p1ai", 443, "/", "1.example.xn--p1ai"),
        ("https://example.com/a@b", "example.com", 443, "/a@b", "example.com"),
        ("https://example.com//169.254.169.254/", "example.com", 443, "//169.254.169.254/", "example.com"),
    ],
)
def test_a_good_address_is_taken_apart(url: str, host: str, port: int, target: str, authority: str) -> None:
    address = read_webhook_url(url, trusted_hosts=NOBODY)

    assert address == WebhookAddress(host, port, target, is_tls=True, is_trusted=False)
    assert address.authority == authority


def test_a_trusted_host_may_be_called_by_http_on_any_port_and_no_other_host_with_it() -> None:
    trusted = frozenset({"localhost"})

    address = read_webhook_url("http://localhost:8080/hook", trusted_hosts=trusted)

    assert address == WebhookAddress("localhost", 8080, "/hook", is_tls=False, is_trusted=True)
    assert read_webhook_url("http://localhost/", trusted_hosts=trusted).port == 80
    for url in ("http://example.com/", "http://a.localhost/", "https://localhost.example/", "ftp://localhost/"):
        with pytest.raises(UrlRefused):
            read_webhook_url(url, trusted_hosts=trusted)


@pytest.mark.parametrize("address", INSIDE_ADDRESSES)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", INSIDE_ADDRESSES)
def test_a_name_that_has_one_address_inside_gets_no_connection(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise Crash("a connection was tried")

    monkeypatch.setattr(HttpWebhookSender, "_connect", connect)
    sender = HttpWebhookSender(resolve=lambda _host, _port: ["1.1.1.1", address])
    target = read_webhook_url("https://example.com/", trusted_hosts=NOBODY)

    answer = sender.post(target, b"{}", {})

    assert (answer.status, answer.error) == (None, "The host name resolves to an address that is not public.")


@pytest.mark.parametrize("error", [OSError("no such host"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_is_told(error: Exception) -> None:
    def fail(_host: str, _port: int) -> list[str]:
        raise error

    target = read_webhook_url("https://example.com/", trusted_hosts=NOBODY)

    answer = HttpWebhookSender(resolve=fail).post(target, b"{}", {})

    assert (answer.status, answer.error) == (None, "The host name does not resolve.")


def test_a_name_without_addresses_is_told() -> None:
    target = read_webhook_url("https://example.com/", trusted_hosts=NOBODY)

    answer = HttpWebhookSender(resolve=lambda _host, _port: []).post(target, b"{}", {})

    assert (answer.status, answer.error) == (None, "No connection.")


def test_the_http_door_refuses_a_request_whose_webhook_goes_inside_and_records_nothing() -> None:
    world, queue = ready(), FakeQueue()

    with pytest.raises(UrlRefused) as refused:
        submitter(world, queue).submit(TENANT, request(notification=asking("https://169.254.169.254/")))

    assert refused.value.code == "callback_url_refused"
    assert (world.jobs.jobs, queue.sent) == ({}, [])


def test_the_queue_door_fails_a_job_whose_webhook_goes_inside() -> None:
    world = ready()

    world.dispatch(lane="cpu", notification=asking("https://user@example.com/"))

    job = world.jobs.get(TENANT, "job-1")
    assert job is not None
    assert job.error is not None
    assert (job.state, job.error["code"]) == (JobState.FAILED, "callback_url_refused")
    assert world.infer_queue.sent == []
