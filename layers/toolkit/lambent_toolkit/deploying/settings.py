"""How a stack is deployed, kept in samconfig.toml, where `sam build` and `sam deploy` read it as well.

A stack's settings are an environment of SAM CLI's (`--config-env`): the default one for the stack that it names, one
called like the stack for each other. Parameters stand under `global`, so that build and deployment cannot differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit

from lambent_toolkit.deploying.errors import ParameterRefused, SettingMissing

CONFIG_FILE = "samconfig.toml"
DEFAULT_ENVIRONMENT = "default"
_STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_BUILD = {"cached": True, "parallel": True}
_DEPLOY = {
    "capabilities": "CAPABILITY_IAM",
    "resolve_s3": True,
    "confirm_changeset": True,
    "fail_on_empty_changeset": False,
}
_OVERRIDE = re.compile(r'(?:^|\s)([A-Za-z0-9]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


@dataclass(frozen=True)
class DeploySettings:
    """How one stack is deployed.

    Parameters
    ----------
    name         the stack's name
    region       its AWS Region; empty while nothing says which
    profile      profile of the AWS credentials, None for the SDK's own
    parameters   template parameters that are not left at their defaults
    """

    name: str
    region: str = ""
    profile: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Hold the name to CloudFormation's rule; raises ParameterRefused."""
        if not _STACK_NAME.fullmatch(self.name):
            raise ParameterRefused(
                f"{self.name!r} cannot be a stack's name: letters, digits and hyphens, a letter first, at most 128."
            )


class SettingsFile:
    """samconfig.toml of a project folder; comments and what others wrote stay as they are."""

    def __init__(self, root: Path) -> None:
        self._path = root / CONFIG_FILE

    def names(self) -> list[str]:
        """Return the stacks that were deployed from here: those with a Region."""
        found = [self._read(environment) for environment in self._document() if environment != "version"]
        return sorted(each.name for each in found if each is not None and each.region)

    def find(self, name: str) -> DeploySettings | None:
        """Return a stack's settings; None if there are none."""
        return self._read(self.environment(name))

    def environment(self, name: str) -> str:
        """Return SAM CLI's environment for a stack."""
        default = self._read(DEFAULT_ENVIRONMENT)
        return DEFAULT_ENVIRONMENT if default is not None and default.name == name else name

    def default_name(self) -> str:
        """Return the name that the default environment gives its stack."""
        default = self._read(DEFAULT_ENVIRONMENT)
        return "lambent" if default is None else default.name

    def write(self, settings: DeploySettings) -> None:
        """Keep a stack's settings, in one step."""
        document = self._document()
        environment = self.environment(settings.name)
        for command, values in (("build", _BUILD), ("deploy", _DEPLOY)):
            table = _table(document, environment, command)
            for key, value in values.items():
                table.setdefault(key, value)
        common = _table(document, environment, "global")
        common["stack_name"] = settings.name
        for key, value in (("region", settings.region), ("profile", settings.profile)):
            if value:
                common[key] = value
        common["parameter_overrides"] = [f'{name}="{_escaped(value)}"' for name, value in settings.parameters.items()]
        draft = self._path.with_name(f".{CONFIG_FILE}.draft")
        draft.write_text(tomlkit.dumps(document))
        draft.replace(self._path)

    def _document(self) -> Any:
        if not self._path.is_file():
            return tomlkit.document().add("version", tomlkit.item(0.1))
        try:
            return tomlkit.parse(self._path.read_text())
        except tomlkit.exceptions.ParseError as exc:
            raise SettingMissing(f"{self._path.name} is no TOML: {exc}; mend it, or take it back from git.") from exc

    def _read(self, environment: str) -> DeploySettings | None:
        tables = self._document().get(environment, {})
        found = {**_parameters(tables, "global"), **_parameters(tables, "deploy")}
        if "stack_name" not in found:
            return None
        return DeploySettings(
            name=str(found["stack_name"]),
            region=str(found.get("region", "")),
            profile=found.get("profile"),
            parameters=_overrides(found.get("parameter_overrides", [])),
        )


def _parameters(tables: Any, command: str) -> dict[str, Any]:
    found: dict[str, Any] = tables.get(command, {}).get("parameters", {})
    return dict(found)


def _table(document: Any, environment: str, command: str) -> Any:
    if environment not in document:
        document[environment] = tomlkit.table(is_super_table=True)
    if command not in document[environment]:
        document[environment][command] = tomlkit.table(is_super_table=True)
    if "parameters" not in document[environment][command]:
        document[environment][command]["parameters"] = tomlkit.table()
    return document[environment][command]["parameters"]


def _overrides(told: Any) -> dict[str, str]:
    """Read parameter_overrides, which SAM CLI takes as a text or as a list of such."""
    text = told if isinstance(told, str) else " ".join(map(str, told))
    return {
        name: re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare
        for name, quoted, bare in _OVERRIDE.findall(text)
    }


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
