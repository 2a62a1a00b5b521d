"""Clients of AWS that answer what they are told, in the shapes that botocore knows of each operation.

For what moto lacks or makes only as a part of something else: quotas, instance types, layers, compute environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

_MODELS = botocore.session.get_session()


def refusal(code: str, operation: str = "Any", message: str = "it was refused") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class ToldClient:
    """One service: ``answers`` by operation in snake case, each an answer, an error, or what makes one of the request.

    A request or an answer that the service does not know is a mistake of the test or of the check, and an error.
    """

    def __init__(self, service: str, **answers: Any) -> None:
        self._model = _MODELS.get_service_model(service)
        self._operations = {xform_name(name): name for name in self._model.operation_names}
        self.answers = answers
        unknown = set(answers) - set(self._operations)
        assert not unknown, f"{service} has no {unknown}"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._operations:
            raise AttributeError(name)
        return lambda **request: self._call(name, request)

    def get_paginator(self, name: str) -> Any:
        """Return pages of an operation: one."""
        return _OnePage(getattr(self, name))

    def _call(self, name: str, request: dict[str, Any]) -> Any:
        operation = self._model.operation_model(self._operations[name])
        validate_parameters(request, operation.input_shape)
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        answer = answer(request) if callable(answer) else answer
        validate_parameters(answer, operation.output_shape)
        return answer


class _OnePage:
    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def paginate(self, **request: Any) -> Iterator[Any]:
        yield self._call(**request)


class Watched:
    """A client whose calls of one operation are told to somebody afterwards."""

    def __init__(self, client: Any, operation: str, then: Callable[[dict[str, Any]], None]) -> None:
        self._client, self._operation, self._then = client, operation, then

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name != self._operation:
            return found

        def call(**request: Any) -> Any:
            answer = found(**request)
            self._then(request)
            return answer

        return call


class Refusing:
    """A client that refuses some operations, for want of rights."""

    def __init__(self, client: Any, *operations: str) -> None:
        self._client, self._operations = client, operations

    def __getattr__(self, name: str) -> Any:
        if name in self._operations:

            def refuse(*_: Any, **__: Any) -> Any:
                raise refusal("AccessDenied", name)

            return refuse
        return getattr(self._client, name)
