"""Policy documents: read once, asked many times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lambent_toolkit.sandbox.iam.conditions import Condition, Context, read_conditions
from lambent_toolkit.sandbox.iam.errors import BadPolicy
from lambent_toolkit.sandbox.iam.patterns import filled, has_unknown_variable, matches_action, matches_text

ELEMENTS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
ANYONE = "*"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Parameters
    ----------
    name : str                 its Sid, or its place, e.g. `#2`
    is_allow : bool            Allow or Deny
    actions, resources : tuple patterns; of NotAction and NotResource if `is_not_…`
    principals : tuple         `AWS:…`, `Service:…` or `*`; empty in a policy of an identity
    conditions : tuple
    """

    name: str
    is_allow: bool
    actions: tuple[str, ...]
    is_not_action: bool
    resources: tuple[str, ...]
    is_not_resource: bool
    principals: tuple[str, ...]
    conditions: tuple[Condition, ...]

    def is_about(self, action: str) -> bool:
        """Tell whether the statement speaks of an action."""
        return any(matches_action(each, action) for each in self.actions) != self.is_not_action

    def covers(self, resource: str, context: Context) -> bool:
        """Tell whether the statement speaks of a resource, whose name may hold tags of the caller."""
        names = [filled(each, context) for each in self.resources]
        if self.is_not_resource and None in names:
            return False
        return any(each is not None and matches_text(each, resource) for each in names) != self.is_not_resource

    def names(self, principals: frozenset[str]) -> bool:
        """Tell whether one of a caller's names, e.g. `AWS:arn:…` or `Service:s3.amazonaws.com`, is meant."""
        return ANYONE in self.principals or not principals.isdisjoint(self.principals)

    def holds(self, context: Context) -> bool:
        """Tell whether all conditions are true of a request."""
        return all(each.holds(context) for each in self.conditions)


@dataclass(frozen=True)
class Policy:
    """A policy document, read.

    Parameters
    ----------
    name : str            for errors and for the record of used rights
    statements : tuple
    """

    name: str
    statements: tuple[Statement, ...]

    def about(self, action: str) -> tuple[Statement, ...]:
        """Return the statements that speak of an action."""
        return _about(self, action)


@lru_cache(maxsize=4096)
def _about(policy: Policy, action: str) -> tuple[Statement, ...]:
    return tuple(each for each in policy.statements if each.is_about(action))


@lru_cache(maxsize=1024)
def read_policy(name: str, document: str) -> Policy:
    """Read a policy document (JSON).

    Raises
    ------
    BadPolicy   it has an element, a condition operator or a key that is not known
    """
    try:
        body = json.loads(document)
    except ValueError as exc:
        raise BadPolicy(f"{name}: not JSON: {exc}") from exc
    statements = body.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return Policy(name, tuple(_statement(each, index, name) for index, each in enumerate(listed)))


def _statement(body: Mapping[str, Any], index: int, policy: str) -> Statement:
    name = body.get("Sid") or f"#{index}"
    place = f"{policy}, statement {name}"
    if unknown := sorted(set(body) - ELEMENTS):
        raise BadPolicy(f"{place}: {', '.join(unknown)} is not known to the local stack")
    if body.get("Effect") not in ("Allow", "Deny"):
        raise BadPolicy(f"{place}: Effect must be Allow or Deny, not {body.get('Effect')!r}")
    resources = _texts(body.get("Resource", body.get("NotResource", "*")))
    if any(has_unknown_variable(each) for each in resources):
        raise BadPolicy(f"{place}: policy variables but ${{aws:PrincipalTag/...}} are not known to the local stack")
    return Statement(
        name=str(name),
        is_allow=body["Effect"] == "Allow",
        actions=_texts(body.get("Action", body.get("NotAction", []))),
        is_not_action="NotAction" in body,
        resources=resources,
        is_not_resource="NotResource" in body,
        principals=_principals(body.get("Principal", {}), place),
        conditions=read_conditions(body.get("Condition", {}), place),
    )


def _texts(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _principals(value: Any, place: str) -> tuple[str, ...]:
    if value == ANYONE:
        return (ANYONE,)
    if not isinstance(value, dict) or not set(value) <= {"AWS", "Service"}:
        raise BadPolicy(f"{place}: a principal of this kind is not known to the local stack: {value!r}")
    names = [(kind, name) for kind, listed in value.items() for name in _texts(listed)]
    return tuple(ANYONE if (kind, name) == ("AWS", ANYONE) else f"{kind}:{name}" for kind, name in names)
