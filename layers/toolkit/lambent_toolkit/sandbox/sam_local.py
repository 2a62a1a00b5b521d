"""The real `sam local` beside a running local stack: functions in containers, everything else in the stack.

`sam local` hands a function only the variables that the template declares, and a template that declared
AWS_ENDPOINT_URL would set it on AWS as well. So `sam local` gets a copy of the built template which declares it.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.errors import MissingTool
from lambent_toolkit.sandbox.sources import read_template
from lambent_toolkit.sandbox.stack_info import StackInfo

HOST_ALIAS = "host.docker.internal"
FUNCTION, LAYER = "AWS::Serverless::Function", "AWS::Serverless::LayerVersion"
CODE_PROPERTIES = {FUNCTION: "CodeUri", LAYER: "ContentUri"}
FOREIGN = re.compile(r"^(AWS_|SAM_CLI_(?!.*TELEMETRY))")


@dataclass(frozen=True)
class SamLocalFiles:
    """What `sam local` reads.

    Parameters
    ----------
    template : Path    copy of the built template, with whole paths and AWS_ENDPOINT_URL declared
    variables : Path   the `--env-vars` file: every function's variables, as the stack gave them
    """

    template: Path
    variables: Path

    @classmethod
    def write(cls, folder: Path, *, template: Mapping[str, Any], variables: Mapping[str, Any]) -> SamLocalFiles:
        """Write both files into `folder`; JSON is YAML as well."""
        folder.mkdir(parents=True, exist_ok=True)
        files = cls(folder / "template.yaml", folder / "variables.json")
        files.template.write_text(json.dumps(template, indent=1, default=str))
        files.variables.write_text(json.dumps(variables, indent=1))
        return files


def container_template(built_template: Path) -> dict[str, Any]:
    """Return a built template as `sam local` needs it.

    Raises
    ------
    BrokenTemplate   it cannot be read
    """
    template = read_template(built_template)
    for resource in template["Resources"].values():
        key = CODE_PROPERTIES.get(resource.get("Type", ""))
        properties = resource.get("Properties", {})
        if key and isinstance(properties.get(key), str):
            properties[key] = str((built_template.parent / properties[key]).resolve())
        if resource.get("Type") == FUNCTION:
            properties.setdefault("Environment", {}).setdefault("Variables", {})["AWS_ENDPOINT_URL"] = ""
    return template


def container_variables(stack: StackInfo, client: Any, *, endpoint: str) -> dict[str, dict[str, str]]:
    """Return logical id -> variables of each function of a running stack.

    Parameters
    ----------
    stack : StackInfo
    client : boto3 Lambda client of the stack
    endpoint : str   the stack's AWS endpoint, as a container reaches it
    """
    names = set(stack.functions.values())
    return {
        logical_id: {**_variables(client, name), "AWS_ENDPOINT_URL": endpoint}
        for logical_id, name in stack.resources.items()
        if name in names
    }


def _variables(client: Any, function_name: str) -> dict[str, str]:
    configuration = client.get_function_configuration(FunctionName=function_name)
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def start_api_command(sam: str, files: SamLocalFiles, *, port: int) -> list[str]:
    """Return the command line that serves the template's API on `port`."""
    # --no-watch: it would watch the build's thousands of files, which never change.
    return [*_command(sam, "start-api", files), "--port", str(port), "--warm-containers", "EAGER", "--no-watch"]


def invoke_command(sam: str, files: SamLocalFiles, *, function: str, event: Path) -> list[str]:
    """Return the command line that gives one event to one function."""
    return [*_command(sam, "invoke", files), "--event", str(event), function]


def _command(sam: str, verb: str, files: SamLocalFiles) -> list[str]:
    return [
        *(sam, "local", verb, "--template", str(files.template), "--env-vars", str(files.variables)),
        # An image that is missing is pulled nevertheless; one that is there is not asked for anew at every start.
        "--skip-pull-image",
        *("--add-host", f"{HOST_ALIAS}:host-gateway"),
    ]


def sam_environment(stack: StackInfo, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for `sam` itself: the developer's, but with the stack's credentials and region."""
    own = {key: value for key, value in environ.items() if not FOREIGN.match(key)}
    aws = {key: value for key, value in stack.environment().items() if key != "AWS_ENDPOINT_URL"}
    return {**own, **aws, "SAM_CLI_TELEMETRY": "0"}


def gateway_address() -> str:
    """Return the address under which containers see this machine.

    Raises
    ------
    MissingTool   no Docker engine answers
    """
    import docker  # what SAM CLI itself talks to the engine with
    from docker.errors import DockerException

    try:
        engine = docker.from_env()
        config = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
        engine.close()
    except DockerException as exc:
        raise MissingTool(
            "`sam local` runs functions in containers, and no Docker engine answers; start Docker (or set DOCKER_HOST). "
            "`lambent up` serves the same functions without Docker"
        ) from exc
    # Older engines do not name the gateway; it is the network's first address.
    return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))


def event_body(event: Path) -> bytes:
    """Return the HTTP body that a sample event carries."""
    sample = json.loads(event.read_text())
    return base64.b64decode(sample["body"]) if sample["isBase64Encoded"] else str(sample["body"]).encode()
