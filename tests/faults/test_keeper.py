"""People's code in a job finds sessions of its own tenant, however it looks; each time in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from credential_services import NAME, OWN_SECRET, OWN_TOKEN, CredentialServices, credential_services

from lambent_toolkit.remote.keeper import EXIT_AGAIN, EXIT_FAULT
from patience import PATIENCE_S, wait_for

ROLE = "arn:aws:iam::123456789012:role/training-data"
# The keeper as it is, with another program in the job's place; or, to know that the thief is one, a careless one.
KEPT = """
import sys
from lambent_toolkit.remote import keeper
keeper.JOB_PROGRAM = "greedy_recipe"
sys.exit(keeper.main(sys.argv[1:]))
"""
CARELESS = """
import os, subprocess, sys
from lambent.adapters.clients import client
client("sts").assume_role(
    RoleArn=os.environ["TENANT_ROLE_ARN"], RoleSessionName="careless", Tags=[{"Key": "tenant", "Value": "acme"}]
)
kept = {name: value for name, value in os.environ.items() if "CREDENTIALS" not in name and "TOKEN" not in name}
given = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
sys.exit(subprocess.run([sys.executable, "-m", "greedy_recipe", *sys.argv[1:]], env=kept | given).returncode)
"""
# A job of its own that says what it has, and a keeper whose sessions are numbers.
COUNTING = """
import itertools, json, os, signal, sys, tempfile
from pathlib import Path
from lambent.errors import Unavailable
from lambent_toolkit.remote.keeper import Keeper
from lambent_toolkit.remote.tenant_credentials import TenantCredentials

numbers = itertools.count(1)

def ask():
    number = next(numbers)
    if number == 2:
        raise Unavailable("Nobody answers.")
    return dict(access_key=str(number), secret_key="s", token="t", expiry_time="2099-01-01T00:00:00Z")

with tempfile.TemporaryDirectory() as folder:
    renew_after_s = float(os.environ["RENEW_AFTER_S"])
    keeper = Keeper(ask, TenantCredentials(Path(folder)), renew_after_s=renew_after_s, retry_after_s=0.01)
    sys.exit(keeper.run([sys.executable, "-c", *sys.argv[1:]]))
"""
FOURTH = """
import shlex, configparser, json, os, subprocess, sys
read = configparser.ConfigParser()
read.read(os.environ["AWS_CONFIG_FILE"])
command = shlex.split(read["default"]["credential_process"])
while int(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["AccessKeyId"]) < 4:
    pass
"""
WAITING = """
import signal, sys
if sys.argv[1] == "polite":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
sys.exit(int(signal.sigwait({signal.SIGTERM})) if sys.argv[1] == "polite" else signal.pause())
"""


@pytest.fixture
def services() -> Iterator[CredentialServices]:
    with credential_services() as found:
        yield found


def environment(folder: Path, **more: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    of_job = {
        "DATA_BUCKET": "data",
        "TENANT_ROLE_ARN": ROLE,
        "KERAS_BACKEND": "tensorflow",
        "WORKER_NEEDS_GPU": "false",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "RENEW_AFTER_S": "3600",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), kept.get("PYTHONPATH", "")]),
    }
    return {**kept, **of_job, **more}


def loot_of(program: str, services: CredentialServices, folder: Path) -> tuple[bytes, set[str]]:
    """Return what a hostile recipe got hold of, and what the kernel let it do to its parent."""
    found = folder / "loot"
    words = [str(found), "--tenant", "acme"]
    own = environment(folder / "home", **services.environment)
    done = subprocess.run([sys.executable, "-c", program, *words], env=own, check=False, capture_output=True)
    assert done.returncode == 7, done.stderr.decode()
    return found.read_bytes(), set(done.stdout.decode().splitlines())


def test_a_recipe_that_looks_everywhere_finds_its_tenants_session_and_nothing_that_leads_to_another(
    services: CredentialServices, tmp_path: Path
) -> None:
    loot, deeds = loot_of(KEPT, services, tmp_path)

    assert b"secret-of-acme" in loot
    assert services.tenants == ["acme"]
    assert [secret for secret in (NAME, OWN_SECRET, OWN_TOKEN, "victim1") if secret.encode() in loot] == []
    assert deeds == set()


def test_the_same_recipe_finds_the_containers_credentials_where_nobody_keeps_them(
    services: CredentialServices, tmp_path: Path
) -> None:
    loot, _deeds = loot_of(CARELESS, services, tmp_path)

    # The name, which leads to all else; what more it gets depends on how strict the kernel is set.
    assert NAME.encode() in loot


def test_a_session_is_renewed_while_the_job_runs_though_nobody_answers_for_a_while(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, FOURTH],
        env=environment(tmp_path, RENEW_AFTER_S="0.01"),
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "No new session yet: Nobody answers." in done.stdout


@pytest.mark.parametrize(
    ("program", "code"), [("raise SystemExit(65)", 65), ("import os; os.kill(os.getpid(), 9)", 137), ("pass", 0)]
)
def test_the_job_ends_as_its_program_does(tmp_path: Path, program: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", COUNTING, program], env=environment(tmp_path), check=False)

    assert done.returncode == code


@pytest.mark.parametrize(("kind", "code"), [("polite", 15), ("plain", 143)])
def test_a_stop_is_passed_on(tmp_path: Path, kind: str, code: int) -> None:
    with started(tmp_path, kind) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == code


def test_the_job_ends_with_its_keeper(tmp_path: Path) -> None:
    with started(tmp_path, "plain") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()

        wait_for(lambda: process.stdout is not None and process.stdout.read() == "", what="the end of all who write")


def started(folder: Path, kind: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", COUNTING, WAITING, kind]
    return subprocess.Popen(words, env=environment(folder), stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("tenant", "role", "code"), [("No Tenant", ROLE, EXIT_FAULT), ("acme", "", EXIT_AGAIN), ("acme", ROLE, EXIT_AGAIN)]
)
def test_without_a_session_no_job_begins_and_the_reason_is_told(
    tmp_path: Path, tenant: str, role: str, code: int
) -> None:
    with socket.socket() as held:  # nobody listens there, and nobody else gets it meanwhile
        held.bind(("127.0.0.1", 0))
        done = begun(tmp_path, tenant, role, f"http://127.0.0.1:{held.getsockname()[1]}")

    assert (done.returncode, done.stdout[0], "Traceback" in done.stderr) == (code, "✗", False)
    assert not (tmp_path / "loot").exists()


def begun(folder: Path, tenant: str, role: str, address: str) -> subprocess.CompletedProcess[str]:
    nowhere = {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "k"}
    own = environment(folder, **nowhere, AWS_SECRET_ACCESS_KEY="s", **({"TENANT_ROLE_ARN": role} if role else {}))
    if not role:
        del own["TENANT_ROLE_ARN"]
    words = [sys.executable, "-c", KEPT, str(folder / "loot"), "--tenant", tenant]
    return subprocess.run(words, env=own, check=False, capture_output=True, text=True)
