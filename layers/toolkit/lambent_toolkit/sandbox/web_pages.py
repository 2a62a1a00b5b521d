"""Who may speak to the servers of a local stack: programs of this machine, and web pages that were declared only.

A browser sends what any page tells it to, to this machine as well, and asks first only for what no form could send. So
every server looks at where a request comes from before anything is done:

- `Host` names this machine; a name that was made to lead here (DNS rebinding) is another's.
- `Origin`, or without it `Referer`, is a page that may; `Sec-Fetch-Site` tells of pages that hide both.

Programs send none of the last three, browsers cannot be made to leave out all: Fetch, 4.4 and 3.2; Fetch Metadata.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

# Browsers never ask a name server for what ends on `localhost` (RFC 6761, 6.3).
THIS_MACHINE = re.compile(r"^(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?$", re.IGNORECASE)
# What the stack's own parts show each other, and nobody else knows.
SECRET_FIELD, SECRET_VARIABLE = "X-Lambent-Secret", "LAMBENT_STACK_SECRET"
NO_ORIGIN = "null"
_OF_NOBODY = "none"  # an address that was typed, a bookmark
_OWN = "same-origin"


def is_this_machine(host: str) -> bool:
    """Tell whether a Host field names this machine by a name that nobody else can take."""
    return THIS_MACHINE.match(host) is not None


def admits_nobody(_origin: str) -> bool:
    """Let no page in."""
    return False


def admitting(origins: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a page of an origin may: one of `origins`, or any if "*" is among them."""
    known = frozenset(origins)
    return lambda origin: "*" in known or origin in known


@dataclass(frozen=True)
class Doorman:
    """Looks at where requests come from, for one server.

    Parameters
    ----------
    admits : (origin) -> bool   pages of which other origins may
    is_host : (Host) -> bool    names under which the server is reached
    has_pages : bool            it serves pages itself, which may speak to it
    secret : str                what every request has to show; empty for none
    """

    admits: Callable[[str], bool] = admits_nobody
    is_host: Callable[[str], bool] = is_this_machine
    has_pages: bool = False
    secret: str = ""

    def refuse(self, fields: Iterable[tuple[str, str]]) -> str | None:
        """Return why a request with these header fields is not answered; None if it is."""
        sent: dict[str, list[str]] = {}
        for name, value in fields:
            sent.setdefault(name.lower(), []).append(value)
        hosts = sent.get("host", [])
        if len(hosts) != 1 or not self.is_host(hosts[0]):
            return f"Host names another machine than this one: {', '.join(hosts)[:100] or 'nothing'}; use 127.0.0.1"
        if (page := self._foreign_page(sent, hosts[0])) is not None:
            return (
                f"a web page of another origin ({page[:100]}) may not use the local stack; the parameter "
                "AllowedOrigins names those that may"
            )
        if self.secret and not is_secret(self.secret, sent.get(SECRET_FIELD.lower(), [])):
            return "this address is for the stack's own parts: the secret of stack.json is not shown"
        return None

    def _foreign_page(self, sent: dict[str, list[str]], host: str) -> str | None:
        """Return the origin of a page that may not; None if no page speaks, or one that may."""
        pages = sent.get("origin") or [origin_of(each) for each in sent.get("referer", [])]
        own = {f"http://{host}"} if self.has_pages else set()
        if pages:
            return next((each for each in pages if each not in own and not self.admits(each)), None)
        harmless = {_OF_NOBODY, _OWN} if self.has_pages else {_OF_NOBODY}
        sites = sent.get("sec-fetch-site", [])
        return None if harmless.issuperset(sites) or self.admits(NO_ORIGIN) else NO_ORIGIN


def origin_of(address: str) -> str:
    """Return the origin of an address, "null" for what has none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return NO_ORIGIN
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else NO_ORIGIN


def is_secret(secret: str, shown: list[str]) -> bool:
    """Tell whether what was shown is the secret, in a time that does not tell how much of it is right."""
    return len(shown) == 1 and hmac.compare_digest(secret.encode(), shown[0].encode())
