"""What people's code finds as credentials is a session for its tenant; the container's own keys stand elsewhere."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import stat
import sys
from pathlib import Path

import botocore.session
import pytest
from moto import mock_aws

from lambent.adapters import clients
from lambent_toolkit.remote import tenant_credentials
from lambent_toolkit.remote.tenant_credentials import use_tenant

ROLE = "arn:aws:iam::123456789012:role/training-data"
OWN = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own-secret", "AWS_SESSION_TOKEN": "own-token"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return an environment of this test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    made = {**kept, "AWS_DEFAULT_REGION": "us-east-1"}
    monkeypatch.setattr(os, "environ", made)
    return made


def test_the_keys_of_the_container_leave_the_environment_for_a_file_of_this_user_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= OWN

    use_tenant(ROLE, "acme", tmp_path / "sdk")

    kept = Path(environment["LAMBENT_OWN_KEYS"])
    assert not OWN.keys() & environment.keys()
    assert json.loads(kept.read_text()) == OWN
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_the_sdk_is_told_to_ask_for_a_session_of_the_tenant(environment: dict[str, str], tmp_path: Path) -> None:
    use_tenant(ROLE, "acme", tmp_path / "with a space")
    read = configparser.ConfigParser()
    read.read(environment["AWS_CONFIG_FILE"])

    words = shlex.split(read["default"]["credential_process"])

    assert words == [sys.executable, "-m", tenant_credentials.__name__, ROLE, "acme"]
    found = botocore.session.Session().get_component("credential_provider").providers
    assert "custom-process" in {each.METHOD for each in found}


def test_the_process_answers_with_a_session_asked_for_by_the_containers_own_keys(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment |= OWN
    use_tenant(ROLE, "acme", tmp_path / "sdk")
    for made in (clients.client, clients._session):
        made.cache_clear()

    with mock_aws(config={"core": {"mock_credentials": False}}):
        status = tenant_credentials.main([ROLE, "acme"])
    for made in (clients.client, clients._session):
        made.cache_clear()

    told = json.loads(capsys.readouterr().out)
    assert (status, told["Version"], environment["AWS_ACCESS_KEY_ID"]) == (0, 1, "own")
    assert told.keys() == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert told["AccessKeyId"] not in OWN.values()
