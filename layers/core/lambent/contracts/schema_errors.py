"""What msgspec says of JSON that does not fit its type, as errors with a path, a limit and no content."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from lambent.errors import FieldNotAllowed, LambentError, RequestInvalid

# msgspec tells what is wrong as text only, in these forms; `test_decoding` holds each of them.
_PATH = re.compile(r" - at `(?:key` in `)?\$\.?([^`]*)`\Z")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_VALUE = re.compile(r"Invalid (?:enum )?value .*", re.DOTALL)
_GOT = re.compile(r", got `([a-z]+)`")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ .%()-]{0,63}")
_STEP = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
_LIMITS = ("values", "max_length", "min_length", "le", "ge", "lt", "gt", "pattern")


def schema_error(exc: msgspec.ValidationError, type_: Any, *, what: str) -> LambentError:
    """Return msgspec's finding as FieldNotAllowed or RequestInvalid.

    Parameters
    ----------
    exc           raised by decoding JSON into ``type_``
    what : str    what the caller sent, for the message
    """
    found = _PATH.search(str(exc))
    reason, path = (str(exc)[: found.start()], found[1]) if found else (str(exc), "")
    expected = _at(inspect.type_info(type_), _STEP.findall(path))
    if unknown := _UNKNOWN.fullmatch(reason):
        return _not_allowed(unknown[1], path, expected, what=what)
    if missing := _MISSING.fullmatch(reason):
        path = _join(path, missing[1])
        return RequestInvalid(f"The {what} lacks the field {path}; it is required.", field=path)
    got = _GOT.search(reason)
    limit = _limit(expected)
    if _VALUE.fullmatch(reason):  # it quotes the value
        reason = f"Expected one of {limit}" if limit else "Expected one of the known kinds"
    where = f" at {path}" if path else ""
    return RequestInvalid(
        f"The {what} does not match its schema{where}: {reason.replace('`', '')}.",
        field=path or None,
        limit=limit,
        got=got[1] if got else None,
    )


def shown_name(name: str) -> str:
    """Return the name of a field or column that a request brought, or "?" if it does not look like one.

    Whatever else stands in a name's place may be content, which errors never repeat.
    """
    return name if _NAME.fullmatch(name) else "?"


def _not_allowed(name: str, path: str, expected: inspect.Type | None, *, what: str) -> FieldNotAllowed:
    shown = _join(path, shown_name(name))
    known = [field.encode_name for field in expected.fields] if isinstance(expected, inspect.StructType) else None
    allowed = f" Allowed here: {', '.join(known)}." if known else ""
    return FieldNotAllowed(f"The {what} has a field {shown} that is not allowed; leave it out.{allowed}", field=shown,
                           limit=known)  # fmt: skip


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _at(expected: inspect.Type | None, steps: list[str]) -> inspect.Type | None:
    """Follow a path into a type; None where it cannot be told."""
    for step in steps:
        expected = _step_into(expected, step)
    return _without_null(expected)


def _step_into(expected: inspect.Type | None, step: str) -> inspect.Type | None:
    known = _without_null(expected)
    if isinstance(known, inspect.UnionType):
        return _of_kinds([member for member in known.types if isinstance(member, inspect.StructType)], step)
    if isinstance(known, inspect.StructType):
        return next((field.type for field in known.fields if field.encode_name == step), None)
    return getattr(known, "item_type", None) or getattr(known, "value_type", None)


def _of_kinds(kinds: list[inspect.StructType], step: str) -> inspect.Type | None:
    """Return the type of a field that the kinds which have it agree on; of the one that tells kinds apart, the tags."""
    if kinds and step == kinds[0].tag_field:
        return inspect.LiteralType(tuple(kind.tag for kind in kinds if isinstance(kind.tag, str)))
    found = [field.type for kind in kinds for field in kind.fields if field.encode_name == step]
    return found[0] if found and all(each == found[0] for each in found) else None


def _without_null(expected: inspect.Type | None) -> inspect.Type | None:
    if not isinstance(expected, inspect.UnionType):
        return expected
    others = [member for member in expected.types if not isinstance(member, inspect.NoneType)]
    return others[0] if len(others) == 1 else inspect.UnionType(tuple(others))


def _limit(expected: inspect.Type | None) -> Any:
    """Return what the type allows: the values of a literal, or its first bound."""
    bounds = (getattr(expected, name, None) for name in _LIMITS)
    limit = next((bound for bound in bounds if bound is not None), None)
    return list(limit) if isinstance(limit, tuple) else limit
