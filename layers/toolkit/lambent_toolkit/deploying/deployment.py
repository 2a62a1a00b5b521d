"""Build and deploy a stack with the settings that are kept for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lambent_toolkit.deploying.errors import DeployFailed, ParameterRefused
from lambent_toolkit.deploying.python import check_python
from lambent_toolkit.deploying.settings import DeploySettings, SettingsFile
from lambent_toolkit.sandbox.build import find_tool
from lambent_toolkit.sandbox.sources import read_template
from lambent_toolkit.sandbox.stack_parameters import TemplateRefused, check_rules, complete_parameters
from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.stacks.session import aws_session

TEMPLATE = "template.yaml"


@dataclass(frozen=True)
class Identity:
    """Whose account a deployment goes to."""

    account_id: str
    arn: str


def with_parameters(settings: DeploySettings, changes: Mapping[str, str], *, root: Path) -> DeploySettings:
    """Return settings with some parameters changed, held to what the template says of them.

    Raises
    ------
    ParameterRefused   CloudFormation would refuse one, or the combination
    """
    template: dict[str, Any] = read_template(root / TEMPLATE)
    changed = {**settings.parameters, **changes}
    try:
        complete = complete_parameters(template["Parameters"], changed)
        check_rules(template, complete)
    except TemplateRefused as exc:
        raise ParameterRefused(f"{exc}. `lambent deploy --list-parameters` has them all.") from exc
    return replace(settings, parameters=changed)


def identify(settings: DeploySettings) -> Identity:
    """Ask AWS whose credentials these are, before minutes go into a build; raises StackError."""
    session = aws_session(region=settings.region, profile=settings.profile)
    with telling_aws_errors():
        found = session.client("sts").get_caller_identity()
    return Identity(found["Account"], found["Arn"])


def deploy(settings: DeploySettings, *, root: Path, is_asked: bool) -> None:
    """Run `sam build` and `sam deploy`, which print what they do.

    Parameters
    ----------
    is_asked   let `sam deploy` show its changes and ask before it makes them

    Raises
    ------
    MissingTool        `sam` is not installed
    ParameterRefused   the Python that it is built for does not run here
    DeployFailed
    """
    template: dict[str, Any] = read_template(root / TEMPLATE)
    default = str(template["Parameters"]["PythonVersion"]["Default"])
    check_python(settings.parameters.get("PythonVersion", default), _environment())
    file = SettingsFile(root)
    file.write(settings)
    environment = file.environment(settings.name)
    chosen = ["--config-file", str(root / "samconfig.toml"), "--config-env", environment]
    _run(["build", *chosen], root)
    _run(["deploy", *chosen, "--confirm-changeset" if is_asked else "--no-confirm-changeset"], root)


def _environment() -> dict[str, str]:
    beside = str(Path(sys.executable).parent)  # this environment's Python first, where it is the one that is asked for
    return {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}", "SAM_CLI_TELEMETRY": "0"}


def _run(arguments: list[str], root: Path) -> None:
    command = [find_tool("sam"), *arguments]
    code = subprocess.run(command, cwd=root, env=_environment(), check=False).returncode  # noqa: S603
    if code:
        raise DeployFailed(f"`sam {arguments[0]}` ended with {code}; what it printed above says why.")
