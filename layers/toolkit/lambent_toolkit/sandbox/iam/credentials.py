"""Credentials of roles, as Lambda and AWS Batch hand them to the processes that they start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox.options import ADMINISTRATOR_KEY

SESSION_PATH, POLICIES_PATH = "/_lambent/iam/session", "/_lambent/iam/policies"


@dataclass(frozen=True)
class Credentials:
    """An access key with its session token."""

    key_id: str
    secret: str
    token: str

    def environment(self) -> dict[str, str]:
        """Return the variables from which any SDK takes them."""
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
        }

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Credentials:
        """Read what the storage process answers."""
        return cls(answer["key_id"], answer["secret"], answer["token"])


ADMINISTRATOR = Credentials(ADMINISTRATOR_KEY, ADMINISTRATOR_KEY, ADMINISTRATOR_KEY)


def session_order(role_arn: str, *, service: str, session: str, source_arn: str) -> dict[str, str]:
    """Return what is asked of the storage process.

    Parameters
    ----------
    role_arn : str
    service : str       that hands them on, e.g. lambda.amazonaws.com; the role must trust it
    session : str       as it shows in the caller's ARN
    source_arn : str    for what the service acts
    """
    return {"role": role_arn, "service": service, "session": session, "source": source_arn}
