"""The real `sam local` beside a running local stack: functions in containers, everything else in the stack.

`sam local` hands a function only the variables that the template declares, and a template that declared
AWS_ENDPOINT_URL would set it on AWS as well. So `sam local` gets a copy of the built template which declares it.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.errors import MissingTool
from lambent_toolkit.sandbox.private_files import private_open
from lambent_toolkit.sandbox.sources import override_options, read_template
from lambent_toolkit.sandbox.stack_info import StackInfo

HOST_ALIAS = "host.docker.internal"
FUNCTION, LAYER = "AWS::Serverless::Function", "AWS::Serverless::LayerVersion"
CODE_PROPERTIES = {FUNCTION: "CodeUri", LAYER: "ContentUri"}
# The data bucket of the samples in events/.
SAMPLE_BUCKET = "lambent-data"


@dataclass(frozen=True)
class SamLocalFiles:
    """What `sam local` reads.

    Parameters
    ----------
    template : Path    copy of the built template, with whole paths and AWS_ENDPOINT_URL declared
    variables : Path   the `--env-vars` file: every function's variables, as the stack gave them
    parameters : Mapping   what the template was built with; its Python and processor choose the image
    data_bucket : str      the stack's, which stands in an event where a sample names SAMPLE_BUCKET; "" leaves them
    """

    template: Path
    variables: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    data_bucket: str = ""


def container_endpoint(relay_port: int) -> str:
    """Return the stack's AWS endpoint as a container reaches it."""
    return f"http://{HOST_ALIAS}:{relay_port}"


def write_files(
    folder: Path,
    template: Mapping[str, Any],
    variables: Mapping[str, Mapping[str, str]],
    *,
    parameters: Mapping[str, str],
    data_bucket: str,
) -> SamLocalFiles:
    """Write `container_template` and `container_variables` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = SamLocalFiles(folder / "template.yaml", folder / "variables.json", parameters, data_bucket)
    # JSON is YAML as well.
    files.template.write_text(json.dumps(template, indent=1, default=str))
    with private_open(files.variables, "w") as written:
        json.dump(variables, written, indent=1)
    return files


def container_template(built_template: Path, *, has_api_only: bool = False) -> dict[str, Any]:
    """Return a built template as `sam local` needs it.

    Parameters
    ----------
    built_template : Path
    has_api_only : bool    leave out the functions that no HTTP route leads to: start-api would start them as well

    Raises
    ------
    BrokenTemplate   it cannot be read
    """
    template = read_template(built_template)
    resources = template["Resources"]
    if has_api_only:
        template["Resources"] = {name: each for name, each in resources.items() if not _is_function_without_api(each)}
    for resource in resources.values():
        key = CODE_PROPERTIES.get(resource.get("Type", ""))
        properties = resource.get("Properties", {})
        if key and isinstance(properties.get(key), str):
            properties[key] = str((built_template.parent / properties[key]).resolve())
        if resource.get("Type") == FUNCTION:
            properties.setdefault("Environment", {}).setdefault("Variables", {})["AWS_ENDPOINT_URL"] = ""
    return template


def _is_function_without_api(resource: Mapping[str, Any]) -> bool:
    events = resource.get("Properties", {}).get("Events", {}).values()
    return resource.get("Type") == FUNCTION and not any(event.get("Type") == "Api" for event in events)


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
    return [*_command(sam, "invoke", files), "--event", str(_own_event(event, files)), function]


def _own_event(event: Path, files: SamLocalFiles) -> Path:
    """Return the event, or a copy that names the stack's own data bucket: events of other buckets are refused."""
    text = event.read_text() if files.data_bucket else ""
    if SAMPLE_BUCKET not in text:
        return event
    own = files.template.with_name("event.json")
    own.write_text(text.replace(SAMPLE_BUCKET, files.data_bucket))
    return own


def _command(sam: str, verb: str, files: SamLocalFiles) -> list[str]:
    return [
        *(sam, "local", verb, "--template", str(files.template), "--env-vars", str(files.variables)),
        # An image that is missing is pulled nevertheless; one that is there is not asked for anew at every start.
        "--skip-pull-image",
        *override_options(files.parameters),
        *("--add-host", f"{HOST_ALIAS}:host-gateway"),
    ]


def sam_environment(stack: StackInfo, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for `sam` itself: the developer's, but with the stack's credentials and region."""
    own = {key: value for key, value in environ.items() if not key.startswith("AWS_")}
    aws = {key: value for key, value in stack.environment().items() if key != "AWS_ENDPOINT_URL"}
    return {**own, **aws, "SAM_CLI_TELEMETRY": "0"}


def find_engine() -> Any:
    """Return a client of the Docker engine.

    Raises
    ------
    MissingTool   none answers
    """
    import docker  # what SAM CLI itself talks to the engine with
    from docker.errors import DockerException

    try:
        # Asks for the engine's version already here.
        return docker.from_env()
    except DockerException as exc:
        raise MissingTool(
            "`sam local` runs functions in containers, and no Docker engine answers; start Docker, or set DOCKER_HOST. "
            "`lambent up` serves the same functions without it"
        ) from exc


def gateway_address(engine: Any) -> str:
    """Return the address under which the engine's containers see the machine it runs on."""
    config = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]
    # Older engines do not name the gateway; it is the network's first address.
    return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))


def remove_containers(engine: Any, *, endpoint: str) -> None:
    """Remove every container that was told of `endpoint`; SAM CLI now and then starts one twice and forgets one."""
    told = f"AWS_ENDPOINT_URL={endpoint}"
    containers = engine.containers.list(all=True, filters={"label": "sam.cli.container.type=lambda"})
    for container in containers:
        if told in container.attrs["Config"]["Env"]:
            container.remove(force=True)


def event_body(event: Path) -> bytes:
    """Return the HTTP body that a sample event carries."""
    sample = json.loads(event.read_text())
    return base64.b64decode(sample["body"]) if sample["isBase64Encoded"] else str(sample["body"]).encode()
