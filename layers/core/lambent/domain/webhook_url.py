"""What a webhook's address may be, before anybody looks its host up.

One grammar of our own, of which the connection is made: no lenient parser reads the address a second time and finds
another host in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from msgspec import UnsetType

from lambent.contracts.notifications import MAX_URL_LENGTH, JobNotification
from lambent.errors import UrlRefused

PORTS = (443, 8443)
_PORT_LIMIT = 65_536
_DEFAULT_PORTS = {"https": 443, "http": 80}
_FIELD = "notification.webhook.url"
# Visible ASCII without what RFC 3986 keeps out of addresses: names in other scripts are sent in their xn-- form.
_CHARACTERS = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~#]+\Z")
_PARTS = re.compile(r"(?P<scheme>[a-z]+)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?P<fragment>#.*)?\Z", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>[^:\[\]@]+)(?::(?P<port>[0-9]{1,5}))?\Z")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Two labels at least, the last one a word: no form of an IP address ends in one, decimal, octal, hexadecimal or short.
_NAME = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,58}}[a-z0-9])\Z")
# Names that stand for this machine or this network, or that no public resolver knows (RFC 6761, 6762, 7686, 8375).
_SPECIAL = frozenset(
    {
        "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain",
        "localhost", "onion", "private", "test",
    }
)  # fmt: skip


@dataclass(frozen=True)
class WebhookAddress:
    """Where a webhook goes; ``is_trusted`` for a host of the stack's own list, whose addresses are not checked."""

    host: str
    port: int
    target: str
    is_tls: bool
    is_trusted: bool

    @property
    def authority(self) -> str:
        """The Host field: the port is told where it is not the scheme's own."""
        own = _DEFAULT_PORTS["https" if self.is_tls else "http"]
        return self.host if self.port == own else f"{self.host}:{self.port}"


def read_webhook_url(url: str, *, trusted_hosts: Collection[str]) -> WebhookAddress:
    """Take an address apart.

    Parameters
    ----------
    url : str              https, to a host by its name, on port 443 or 8443
    trusted_hosts          names that may also be called over http, on any port, whatever they resolve to; empty on AWS

    Raises
    ------
    UrlRefused   naming the rule that it breaks, and nothing of the address
    """
    if len(url) > MAX_URL_LENGTH or not _CHARACTERS.match(url):
        raise _refused(f"is written in visible ASCII, at most {MAX_URL_LENGTH} characters", "characters")
    parts = _PARTS.match(url)
    if parts is None:
        raise _refused("has the form https://host/path", "form")
    if parts["fragment"] is not None:
        raise _refused("has no part behind a #", "fragment")
    host, port_text = _read_authority(parts["authority"].lower())
    is_trusted = host in trusted_hosts
    scheme = parts["scheme"].lower()
    if scheme != "https" and not (is_trusted and scheme == "http"):
        raise _refused("begins with https://", "scheme")
    port = int(port_text or _DEFAULT_PORTS[scheme])
    if not is_trusted:
        _check_is_public(host, port)
    target = parts["target"]
    return WebhookAddress(host, port, target if target.startswith("/") else f"/{target}", scheme == "https", is_trusted)


def check_notification(asked: JobNotification | UnsetType, *, trusted_hosts: Collection[str]) -> None:
    """Check the address that a request's ``notification`` names, if it does; raises UrlRefused."""
    if isinstance(asked, JobNotification) and asked.webhook is not None:
        read_webhook_url(asked.webhook.url, trusted_hosts=trusted_hosts)


def _read_authority(authority: str) -> tuple[str, str | None]:
    """Return host and port, None without one."""
    if "@" in authority:
        raise _refused("carries no user name or password", "userinfo")
    found = _AUTHORITY.match(authority)
    if found is None:
        raise _refused("names its host by a host name, not by an IP address, and then perhaps a port", "host")
    port = found["port"]
    if port is not None and not 0 < int(port) < _PORT_LIMIT:
        raise _refused("is on a port from 1 to 65535", "port")
    return found["host"], port


def _check_is_public(host: str, port: int) -> None:
    if not _NAME.match(host):
        raise _refused("names its host by a host name with a domain, not by an IP address", "host")
    if host.rpartition(".")[2] in _SPECIAL:
        raise _refused("names a host of the public internet", "host")
    if port not in PORTS:
        raise _refused(f"is on port {PORTS[0]} or {PORTS[1]}", "port", limit=list(PORTS))


def _refused(rule: str, name: str, *, limit: object = None) -> UrlRefused:
    return UrlRefused(f"The address of a webhook {rule}; this one does not.", field=_FIELD, limit=limit or name)
