"""The storage's door: who may speak to it, which pages its buckets let in, and the stack's own paths."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from lambent_toolkit.sandbox.iam.caller import Environ
from lambent_toolkit.sandbox.storage_cors import cors_fields, find_rule, is_preflight
from lambent_toolkit.sandbox.storage_hosts import HOST
from lambent_toolkit.sandbox.web_pages import SECRET_FIELD, Doorman, is_secret, is_this_machine, origin_of

WsgiApp = Callable[[Environ, Any], Iterable[bytes]]
# As containers of `sam local` call this machine; a page that is reached by this name still says its origin.
CONTAINERS_HOST = "host.docker.internal"
OWN_PATHS, MOTOS_PATH = "/_lambent", "/moto-api"
_FIELDS = ("HOST", "ORIGIN", "REFERER", "SEC_FETCH_SITE")


def guarding(app: WsgiApp, secret: str) -> WsgiApp:
    """Return an application that answers programs of this machine, and pages which a bucket's CORS rules let in.

    Parameters
    ----------
    app : WsgiApp
    secret : str    what has to be shown at the stack's own paths; moto's own interface is closed to everybody
    """

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if (reason := _refuse(environ, secret)) is not None:
            return _forbid(reason, environ, start_response)
        page = _page_of(environ)
        rule = None if page is None else find_rule(environ, page)
        if page is None or rule is None:
            return app(environ, start_response)
        fields = cors_fields(rule, environ, page)
        if is_preflight(environ):
            start_response("200 OK", [("Content-Length", "0"), *fields])
            return [b""]
        return app(environ, lambda status, headers, *rest: start_response(status, [*headers, *fields], *rest))

    return answer


def _refuse(environ: Environ, secret: str) -> str | None:
    sent = [(name.replace("_", "-"), str(environ["HTTP_" + name])) for name in _FIELDS if f"HTTP_{name}" in environ]
    doorman = Doorman(admits=lambda origin: find_rule(environ, origin) is not None, is_host=_is_known)
    path = str(environ.get("PATH_INFO", ""))
    if path.startswith(MOTOS_PATH):
        return "moto's own interface is closed in a local stack"
    if (reason := doorman.refuse(sent)) is not None or not path.startswith(OWN_PATHS):
        return reason
    shown = environ.get("HTTP_" + SECRET_FIELD.upper().replace("-", "_"))
    return None if is_secret(secret, [shown] if shown else []) else f"{path} needs the secret of stack.json"


def _page_of(environ: Environ) -> str | None:
    if "HTTP_ORIGIN" in environ:
        return str(environ["HTTP_ORIGIN"])
    return origin_of(environ["HTTP_REFERER"]) if "HTTP_REFERER" in environ else None


def _is_known(host: str) -> bool:
    name = host.partition(":")[0]
    return is_this_machine(host) or name == CONTAINERS_HOST or HOST.match(name) is not None


def _forbid(reason: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
    # A body that nobody reads would end the connection before the client has read why.
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = json.dumps({"message": reason}).encode()
    start_response("403 Forbidden", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
