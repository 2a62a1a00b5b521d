"""Credentials of one tenant for a job that runs people's code: all that an SDK finds there.

A session for the tenant lies in a file, as the SDK's ``credential_process`` takes it; the SDK reads it again before the
session ends. Of what else leads to credentials, the container's own first of all, the job's environment has nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

# All that is passed on of AWS's variables: what tells where its services are, and which job this is. What is not known
# here may lead to credentials, whichever name AWS gives it next.
_PASSED = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_BATCH_")
_OF_AWS = ("AWS_", "ECS_", "BOTO_")


class TenantCredentials:
    """A folder of the SDK's configuration, and of the session that it leads to.

    Parameters
    ----------
    folder   an empty one of this user alone
    """

    def __init__(self, folder: Path) -> None:
        self._config, self._session = folder / "config", folder / "session.json"
        self._config.write_text(f'[default]\ncredential_process = /bin/cat "{self._session}"\n')

    def renew(self, session: Mapping[str, str]) -> None:
        """Let the SDK find this session from now on; see `lambent.adapters.tenant_s3.session_of`."""
        told = {
            "Version": 1,
            "AccessKeyId": session["access_key"],
            "SecretAccessKey": session["secret_key"],
            "SessionToken": session["token"],
            "Expiration": session["expiry_time"],
        }
        draft = self._session.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(json.dumps(told))
        draft.replace(self._session)

    def environment(self, whole: Mapping[str, str]) -> dict[str, str]:
        """Return of an environment what a job may have, with the way to its session."""
        kept = {
            name: value for name, value in whole.items() if not name.startswith(_OF_AWS) or name.startswith(_PASSED)
        }
        return kept | {
            "AWS_CONFIG_FILE": str(self._config),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
