"""Decides: an explicit Deny first, then any Allow, and what nobody allows is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lambent_toolkit.sandbox.iam.conditions import Context
from lambent_toolkit.sandbox.iam.patterns import filled, matches_text
from lambent_toolkit.sandbox.iam.policy import Policy, Statement
from lambent_toolkit.sandbox.iam.question import Question
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

IDENTITY, RESOURCE = "identity-based", "resource-based"


@dataclass(frozen=True)
class Principal:
    """Who calls.

    Parameters
    ----------
    arn : str              as errors show it, e.g. of an assumed role with its session
    name : str             of the role or user, for the record of used rights
    policies : tuple       of the identity; of a service none
    names : frozenset      as a resource policy may call it, e.g. `AWS:arn:…`, `Service:s3.amazonaws.com`
    is_administrator       may do all, as the account's owner
    context : Context      condition keys that the caller brings
    """

    arn: str
    name: str
    policies: tuple[Policy, ...] = ()
    names: frozenset[str] = frozenset()
    is_administrator: bool = False
    is_service: bool = False
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Right:
    """A statement that allowed something: what the record of used rights counts."""

    principal: str
    policy: str
    statement: str
    action: str
    resource: str


@dataclass(frozen=True)
class Decision:
    """What became of a question; `reason` tells a refused caller why, in AWS's words."""

    is_allowed: bool
    reason: str = ""


ALLOWED = Decision(True)
ANYWHERE: Context = {
    # The local stack stands where TLS would be; its own address has none.
    "aws:securetransport": ("true",),
    "aws:requestedregion": (REGION,),
    "aws:resourceaccount": (ACCOUNT_ID,),
}


def decide(
    principal: Principal,
    question: Question,
    resource_policies: Iterable[Policy] = (),
    observe: Callable[[Right], None] = lambda _right: None,
) -> Decision:
    """Decide one question.

    Parameters
    ----------
    principal, question
    resource_policies    policies of what is asked for
    observe              called with each right that allowed it

    Returns
    -------
    Decision
    """
    context = {**ANYWHERE, **principal.context, **question.context}
    ours = [(policy, IDENTITY, each) for policy in principal.policies for each in policy.about(question.action)]
    theirs = [
        (policy, RESOURCE, each)
        for policy in resource_policies
        for each in policy.about(question.action)
        if each.names(principal.names)
    ]
    speaking = [
        entry for entry in [*ours, *theirs] if entry[2].covers(question.resource, context) and entry[2].holds(context)
    ]
    for _policy, kind, statement in speaking:
        if not statement.is_allow:
            return Decision(False, f"with an explicit deny in {'an' if kind == IDENTITY else 'a'} {kind} policy")
    if not speaking and not principal.is_administrator:
        kind = RESOURCE if principal.is_service else IDENTITY
        return Decision(False, f"because no {kind} policy allows the {question.action} action")
    for policy, _kind, statement in speaking:
        observe(_right(principal, policy, statement, question, context))
    return ALLOWED


def may_ever(principal: Principal, action: str) -> bool:
    """Tell whether any statement of a caller's own allows an action on anything."""
    return any(each.is_allow for policy in principal.policies for each in policy.about(action))


def _right(principal: Principal, policy: Policy, statement: Statement, question: Question, context: Context) -> Right:
    named = ((each, filled(each, context)) for each in statement.resources)
    resource = next((each for each, full in named if full and matches_text(full, question.resource)), "*")
    return Right(principal.name, policy.name, statement.name, question.action, resource)
