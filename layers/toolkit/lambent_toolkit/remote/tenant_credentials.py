"""Credentials of one tenant for a job that runs people's code: what the SDK finds in place of the container's own.

    python -m lambent_toolkit.remote.tenant_credentials ROLE_ARN TENANT

prints a session for the tenant as the SDK's ``credential_process`` takes it, and is run by the SDK again before that
ends. It asks by the container's own role, which may take such sessions and nothing else. A recipe that uses the SDK as
it is thus reaches the files of its tenant alone. One that looks for the container's own credentials can still ask for a
session of another tenant; that it did so stands in CloudTrail.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lambent.adapters.clients import client
from lambent.adapters.tenant_s3 import session_of

# Where the SDK finds keys before it looks anywhere else: Lambda and the local stack set them, ECS does not.
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_CONFIG, _OWN = "AWS_CONFIG_FILE", "LAMBENT_OWN_KEYS"


def use_tenant(role_arn: str, tenant: str, folder: Path) -> None:
    """Let every client that this process and its children make from now on work for one tenant.

    Parameters
    ----------
    folder   for the SDK's configuration, readable by this user alone
    """
    folder.mkdir(mode=0o700)
    own = {name: os.environ.pop(name) for name in _KEYS if name in os.environ}
    config, keys = folder / "config", folder / "own.json"
    keys.touch(mode=0o600)
    keys.write_text(json.dumps(own))
    command = f'"{sys.executable}" -m {__spec__.name} "{role_arn}" "{tenant}"'
    config.write_text(f"[default]\ncredential_process = {command}\n")
    os.environ |= {_CONFIG: str(config), _OWN: str(keys), "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a session."""
    role_arn, tenant = sys.argv[1:] if arguments is None else arguments
    os.environ.pop(_CONFIG, None)
    os.environ |= json.loads(Path(os.environ[_OWN]).read_text())
    made = session_of(client("sts"), role_arn, tenant)
    print(
        json.dumps(
            {
                "Version": 1,
                "AccessKeyId": made["access_key"],
                "SecretAccessKey": made["secret_key"],
                "SessionToken": made["token"],
                "Expiration": made["expiry_time"],
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
