"""Who calls: from an access key to a role or a user of moto's IAM, with its policies as they are now.

Runs in the storage process only. Policies may change while a stack runs (PutRolePolicy, AttachUserPolicy, …).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from moto.iam.models import IAMBackend, iam_backends
from moto.sts.models import AssumedRole, sts_backends

from lambent_toolkit.sandbox.iam.errors import BadPolicy
from lambent_toolkit.sandbox.iam.judge import Principal
from lambent_toolkit.sandbox.iam.policy import Policy, read_policy
from lambent_toolkit.sandbox.iam.question import tag_context
from lambent_toolkit.sandbox.options import ACCOUNT_ID, ADMINISTRATOR_KEY, REGION

PARTITION = "aws"
ADMINISTRATOR_ARN = f"arn:aws:iam::{ACCOUNT_ID}:root"
SESSION_S = 43_200

ADMINISTRATOR = Principal(
    ADMINISTRATOR_ARN, "administrator", names=frozenset({f"AWS:{ADMINISTRATOR_ARN}"}), is_administrator=True
)
ANONYMOUS = Principal("anonymous", "anonymous", is_service=True)


class UnknownKey(Exception):
    """No role's session and no user has this access key."""


class BadToken(Exception):
    """The session token is not the one that came with the access key."""


class Principals:
    """Finds callers in moto's IAM and STS."""

    def __init__(self) -> None:
        self._sessions: dict[str, AssumedRole] = {}
        self._tags: dict[str, dict[str, str]] = {}

    def tag(self, key_id: str, tags: dict[str, str]) -> None:
        """Remember the tags that a session was opened with, of which moto keeps nothing."""
        self._tags[key_id] = tags

    def find(self, key_id: str, token: str | None) -> Principal:
        """Return who has an access key.

        Raises
        ------
        UnknownKey, BadToken
        BadPolicy              one of its policies cannot be judged
        """
        if key_id == ADMINISTRATOR_KEY:
            return ADMINISTRATOR
        session = self._session(key_id)
        if session is not None:
            if token != session.session_token:
                raise BadToken(key_id)
            return _of_session(session, self._tags.get(key_id, {}))
        key = iam_backend().access_keys.get(key_id)
        if key is None or key.user_name is None or key.status != "Active":
            raise UnknownKey(key_id)
        return _of_user(iam_backend().get_user(key.user_name))

    def secret(self, key_id: str) -> str | None:
        """Return the secret that belongs to an access key; None if nobody has it."""
        if key_id == ADMINISTRATOR_KEY:
            return ADMINISTRATOR_KEY
        session = self._session(key_id)
        key = session.access_key if session is not None else iam_backend().access_keys.get(key_id)
        return None if key is None else str(key.secret_access_key)

    def _session(self, key_id: str) -> AssumedRole | None:
        if key_id not in self._sessions:
            # moto keeps a list, whose last entries are the newest.
            known = sts_backends[ACCOUNT_ID][PARTITION].assumed_roles
            self._sessions |= {each.access_key_id: each for each in known}
        return self._sessions.get(key_id)


def iam_backend() -> IAMBackend:
    """Return moto's IAM of the stack's account."""
    return iam_backends[ACCOUNT_ID][PARTITION]


def open_session(role_arn: str, session_name: str) -> dict[str, str]:
    """Return temporary credentials of a role, as its service would hand them to a process."""
    session = sts_backends[ACCOUNT_ID][PARTITION].assume_role(REGION, session_name, role_arn, "", SESSION_S, "")
    return {
        "key_id": session.access_key_id,
        "secret": session.secret_access_key,
        "token": session.session_token,
    }


def service(name: str, *, source_arn: str) -> Principal:
    """Return an AWS service that acts for something of this account, e.g. s3.amazonaws.com for a bucket."""
    return Principal(
        arn=name,
        name=name,
        names=frozenset({f"Service:{name}"}),
        is_service=True,
        context={
            "aws:sourcearn": (source_arn,),
            "aws:sourceaccount": (ACCOUNT_ID,),
            "aws:sourceowner": (ACCOUNT_ID,),
        },
    )


def trust_policy(role_arn: str) -> Policy:
    """Return the policy that tells who may take a role."""
    role = iam_backend().get_role_by_arn(role_arn)
    return read_policy(role.name, _document(role.assume_role_policy_document))


def _of_session(session: AssumedRole, tags: dict[str, str]) -> Principal:
    if session.policy:
        raise BadPolicy(f"session policies of {session.role_arn} are not known to the local stack")
    role = iam_backend().get_role_by_arn(session.role_arn)
    arn = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role.name}/{session.session_name}"
    found = _principal(arn, role.name, role, {f"AWS:{role.arn}", f"AWS:{arn}"}, role.arn)
    return replace(found, context={**found.context, **tag_context("principaltag", tags)})


def _of_user(user: Any) -> Principal:
    groups = iam_backend().get_groups_for_user(user.name)
    policies = tuple(policy for group in groups for policy in policies_of(group))
    found = _principal(user.arn, user.name, user, {f"AWS:{user.arn}"}, user.arn)
    return replace(found, policies=found.policies + policies, context={**found.context, "aws:username": (user.name,)})


def _principal(arn: str, name: str, owner: Any, names: set[str], principal_arn: str) -> Principal:
    if getattr(owner, "permissions_boundary", None):
        raise BadPolicy(f"the permissions boundary of {name} is not known to the local stack")
    return Principal(
        arn=arn,
        name=name,
        policies=policies_of(owner),
        names=frozenset(names),
        context={"aws:principalarn": (principal_arn,), "aws:principalaccount": (ACCOUNT_ID,)},
    )


def policies_of(owner: Any) -> tuple[Policy, ...]:
    """Return the inline and the attached policies of a role, user or group."""
    attached = [_managed(policy) for policy in list(owner.managed_policies.values())]
    return (*inline_policies_of(owner), *attached)


def inline_policies_of(owner: Any) -> tuple[Policy, ...]:
    """Return the inline policies of a role, user or group."""
    return tuple(read_policy(name, _document(text)) for name, text in list(owner.policies.items()))


def _managed(policy: Any) -> Policy:
    version = next(each for each in policy.versions if each.is_default)
    return read_policy(policy.name, _document(version.document))


def _document(text: Any) -> str:
    return text if isinstance(text, str) else json.dumps(text)
