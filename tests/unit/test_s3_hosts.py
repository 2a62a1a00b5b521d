"""Presigned links and forms name the host of the stack's own Region, whatever partition it is in."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from lambent.adapters import clients
from lambent.adapters.s3_links import S3Links

HOSTS = {
    "us-east-1": "data.s3.us-east-1.amazonaws.com",
    "eu-west-1": "data.s3.eu-west-1.amazonaws.com",
    "eu-south-1": "data.s3.eu-south-1.amazonaws.com",
    "ap-east-1": "data.s3.ap-east-1.amazonaws.com",
    "us-gov-west-1": "data.s3.us-gov-west-1.amazonaws.com",
    "cn-north-1": "data.s3.cn-north-1.amazonaws.com.cn",
}


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., S3Links]]:
    """Return a maker of links, by the client that functions have in an environment of these variables."""

    def make(**variables: str) -> S3Links:
        for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", **variables}.items():
            monkeypatch.setenv(name, value)
        clients._session.cache_clear()
        return S3Links(clients.client.__wrapped__("s3"), "data")

    yield make
    clients._session.cache_clear()


def hosts(made: S3Links) -> set[str]:
    link = made.read_link("jobs/a", content_type="text/plain", content_encoding=None, expires_s=60)
    form, _ = made.upload_form("inbox/a", fields={}, size_range=(1, 2), expires_s=60)
    return {urlsplit(link).netloc, urlsplit(form).netloc}


@pytest.mark.parametrize("region", HOSTS)
def test_links_and_forms_name_the_regions_own_host(links: Callable[..., S3Links], region: str) -> None:
    assert hosts(links(AWS_DEFAULT_REGION=region)) == {HOSTS[region]}


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_of_somebody_else_has_the_bucket_in_its_path(links: Callable[..., S3Links], variable: str) -> None:
    made = links(AWS_DEFAULT_REGION="eu-west-1", **{variable: "http://storage.internal:4000"})

    assert hosts(made) == {"storage.internal:4000"}
