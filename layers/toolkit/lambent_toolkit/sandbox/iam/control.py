"""What the supervisor asks of the gate: credentials, policies to keep, refusals. Storage process only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.exceptions import NotFoundException

from lambent_toolkit.sandbox.iam import principals
from lambent_toolkit.sandbox.iam.errors import BadPolicy
from lambent_toolkit.sandbox.iam.judge import decide
from lambent_toolkit.sandbox.iam.question import Question
from lambent_toolkit.sandbox.iam.rights import RightsLog, granted_by
from lambent_toolkit.sandbox.iam.template_policies import keep_policies

Answer = tuple[int, Any]
ASSUME = "sts:AssumeRole"


class IamControl:
    """Answers `/_lambent/iam/{verb}`.

    Parameters
    ----------
    rights : RightsLog
    resources : () -> dict    record of the created resources
    """

    def __init__(self, rights: RightsLog, resources: Callable[[], dict[str, dict[str, Any]]]) -> None:
        self._rights, self._resources = rights, resources

    def answer(self, verb: str, body: bytes) -> Answer:
        """Return status and JSON."""
        if verb == "session":
            return self._session(**json.loads(body))
        if verb == "policies":
            keep_policies(self._resources())
            for role in principals.iam_backend().roles.values():
                for policy in principals.inline_policies_of(role):
                    for right in granted_by(role.name, policy):
                        self._rights.grant(right)
            return 200, {}
        if verb == "denials":
            return 200, {"denials": self._rights.denials()}
        return 404, {}

    def _session(self, role: str, service: str, session: str, source: str) -> Answer:
        """Give a service credentials of a role that trusts it."""
        caller = principals.service(service, source_arn=source)
        try:
            trust = principals.trust_policy(role)
        except NotFoundException:
            return 404, {"message": f"there is no role {role}"}
        except BadPolicy as exc:
            return 400, {"message": str(exc)}
        decision = decide(caller, Question(ASSUME, role), [trust])
        if not decision.is_allowed:
            return 403, {"message": f"{service} may not assume {role}, {decision.reason}"}
        return 200, principals.open_session(role, session)
