"""A stack made by the real `sam deploy`, and read back from where it was put: what runs is what was uploaded."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.build import Build, find_tool
from lambent_toolkit.sandbox.deploy import Session, enforce_policies, read_record
from lambent_toolkit.sandbox.deployment import Deployment
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.options import REGION
from lambent_toolkit.sandbox.programs import Programs
from lambent_toolkit.sandbox.restore import put_back
from lambent_toolkit.sandbox.samconfig import CONFIG_FILE, stack_name
from lambent_toolkit.sandbox.stack_info import CREDENTIALS

CODE_PROPERTIES = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}
# `sam deploy` looks for news every so often; nothing here takes the time that AWS takes.
POLL_DELAY_S = "0.2"


def sam_environment(endpoint: str) -> dict[str, str]:
    """Return an environment in which `sam` speaks to the storage and to nobody else.

    Parameters
    ----------
    endpoint : str   the storage's address
    """
    beside = str(Path(sys.executable).parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": POLL_DELAY_S,
        # By name: an address in its place makes `sam` write template addresses that CloudFormation cannot take apart.
        "AWS_ENDPOINT_URL": endpoint.replace("127.0.0.1", "localhost"),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **{name.upper(): value for name, value in CREDENTIALS.items()},
    }


def deploy_command(root: Path, template: Path, parameters: dict[str, str]) -> list[str]:
    """Return `sam deploy` of a built template, in samconfig.toml's way where there is one."""
    command = [find_tool("sam"), "deploy", "--template-file", str(template), "--stack-name", stack_name(root)]
    if (root / CONFIG_FILE).is_file():
        command += ["--config-file", str(root / CONFIG_FILE)]
    command += ["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"]
    command += ["--no-fail-on-empty-changeset", "--region", REGION]
    if parameters:
        overrides = [f"ParameterKey={key},ParameterValue={json.dumps(value)}" for key, value in parameters.items()]
        command += ["--parameter-overrides", *overrides]
    return command


def sam_deploy(root: Path, build: Build, *, endpoint: str, programs: Programs) -> None:
    """Make the stack as its owner will on AWS.

    Parameters
    ----------
    root : Path      folder of template.yaml and samconfig.toml
    build : Build    what `sam build` made
    endpoint : str   the storage's address
    programs : Programs

    Raises
    ------
    MissingTool      `sam` is not installed
    BrokenTemplate   `sam deploy` failed; the text is the end of what it said
    """
    command = deploy_command(root, build.template, build.parameters)
    code, said = programs.run(command, cwd=root, env=sam_environment(endpoint))
    if code:
        raise BrokenTemplate(f"`sam deploy` ended with {code}:\n{said}")


def read_deployment(endpoint: str, name: str, code_dir: Path, *, secret: str, is_iam_enforced: bool) -> Deployment:
    """Return a deployed stack, its code unpacked from where `sam deploy` has put it, with what moto drops put back.

    Parameters
    ----------
    endpoint : str    the storage's address
    name : str        the stack's
    code_dir : Path   gets one folder for each piece of code, under its key in S3
    secret : str      what the stack's own parts show each other
    is_iam_enforced   read all policies, and let buckets, queues and topics have theirs

    Raises
    ------
    BrokenTemplate   the stack has types that cannot be made here, or a policy by which it cannot be judged
    """
    record, session = read_record(endpoint, name, secret=secret), Session(endpoint)
    s3 = session.client("s3")
    code = {}
    for logical_id, resource in record["resources"].items():
        address = resource["properties"].get(CODE_PROPERTIES.get(resource["type"], ""))
        if address and "physical_id" in resource:
            code[logical_id] = _unpacked(s3, address, code_dir)
    deployment = Deployment.from_record(record, code)
    if is_iam_enforced:
        enforce_policies(deployment, endpoint, secret=secret)
    put_back(deployment, session.client)
    return deployment


def _unpacked(s3: Any, address: dict[str, str], code_dir: Path) -> Path:
    folder = code_dir / address["S3Key"].replace("/", "-")
    if folder.is_dir():
        return folder
    code_dir.mkdir(parents=True, exist_ok=True)
    archive, draft = folder.with_suffix(".zip"), folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    s3.download_file(address["S3Bucket"], address["S3Key"], str(archive))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(draft)
        for entry in packed.infolist():
            if mode := entry.external_attr >> 16 & 0o777:
                (draft / entry.filename).chmod(mode)
    archive.unlink()
    draft.rename(folder)
    return folder
