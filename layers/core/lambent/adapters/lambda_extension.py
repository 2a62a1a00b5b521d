"""An internal extension of Lambda: a thread of the function's process that may work on after the function's answer.

Lambda freezes an execution environment once the runtime and all its extensions have asked for their next event, and
gives the answer to the caller as soon as the runtime has it (docs.aws.amazon.com/lambda/latest/dg:
runtimes-extensions-api; AWS Compute Blog, "Running code after returning a response from an AWS Lambda function").

By sockets, since both requests stand in every invocation: `http.client` takes several times as long.
"""

from __future__ import annotations

import socket

_PREFIX = "/2020-01-01/extension"
_NAME = "lambent"
_REGISTRATION = b'{"events":["INVOKE"]}'
_CONNECT_S = 2.0
_PIECE_BYTES = 65_536
_OK = b" 200 "


class ExtensionFailed(Exception):
    """Lambda's Extensions API cannot be reached, or refuses; the text says which."""


class LambdaExtension:
    """Registered by being made, which is for the time of Lambda's Init phase only.

    Parameters
    ----------
    address : str   host and port, as Lambda tells it in AWS_LAMBDA_RUNTIME_API

    Raises
    ------
    ExtensionFailed   also by all methods
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        try:
            self._socket = socket.create_connection((host, int(port or 80)), timeout=_CONNECT_S)
        except (OSError, ValueError) as exc:
            raise ExtensionFailed("the Extensions API cannot be reached") from exc
        self._head = f"Host: {address}\r\n"
        self._send("POST", "register", f"Lambda-Extension-Name: {_NAME}\r\n", _REGISTRATION)
        self._id = f"Lambda-Extension-Identifier: {_header(self._receive(), 'lambda-extension-identifier')}\r\n"
        # The environment may be frozen for hours between two events.
        self._socket.settimeout(None)

    def ask(self) -> None:
        """Say that nothing is left to do in this invocation, and ask for the next one."""
        self._send("GET", "event/next", self._id, b"")

    def take(self) -> None:
        """Wait until Lambda has told of the invocation that was asked for."""
        self._receive()

    def _send(self, method: str, path: str, header: str, body: bytes) -> None:
        head = f"{method} {_PREFIX}/{path} HTTP/1.1\r\n{self._head}{header}Content-Length: {len(body)}\r\n\r\n"
        try:
            self._socket.sendall(head.encode("latin-1") + body)
        except OSError as exc:
            raise ExtensionFailed("the Extensions API has gone") from exc

    def _receive(self) -> str:
        """Return the header fields of an answer, and pass over its body."""
        read = b""
        while b"\r\n\r\n" not in read:
            read += self._piece()
        head, _, body = read.partition(b"\r\n\r\n")
        if _OK not in head.partition(b"\r\n")[0] + b" ":
            raise ExtensionFailed("the Extensions API refuses this extension")
        fields = head.decode("latin-1")
        length = _header(fields, "content-length")
        while len(body) < int(length) if length else not body.endswith(b"0\r\n\r\n"):
            body += self._piece()
        return fields

    def _piece(self) -> bytes:
        try:
            piece = self._socket.recv(_PIECE_BYTES)
        except OSError as exc:
            raise ExtensionFailed("the Extensions API has gone") from exc
        if not piece:
            raise ExtensionFailed("the Extensions API has gone")
        return piece


def _header(fields: str, name: str) -> str:
    for line in fields.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""
