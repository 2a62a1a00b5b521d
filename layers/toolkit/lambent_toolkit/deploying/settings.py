"""How a stack is deployed, kept in samconfig.toml, where `sam build` and `sam deploy` read it as well.

A stack's settings are an environment of SAM CLI's (`--config-env`): the one that names the stack, whoever wrote it, or
a new one called like the stack. Parameters stand under `global`, so that build and deployment cannot differ.
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
# What `global` tells build and deployment alike; the table of a command would go before it.
_COMMON = ("stack_name", "region", "profile", "parameter_overrides")
_VERSION = "version"


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
        return sorted(each.name for each in self._all().values() if each.region)

    def find(self, name: str) -> DeploySettings | None:
        """Return a stack's settings; None if there are none."""
        return next((each for each in self._all().values() if each.name == name), None)

    def environment(self, name: str) -> str:
        """Return SAM CLI's environment for a stack."""
        known = self._all()
        found = next((environment for environment, each in known.items() if each.name == name), None)
        if found is not None:
            return found
        # A stack may be called like another's environment, or like what is none.
        return f"stack-{name}" if name in {*known, DEFAULT_ENVIRONMENT, _VERSION} else name

    def default_name(self) -> str:
        """Return the name that the default environment gives its stack."""
        default = self._all().get(DEFAULT_ENVIRONMENT)
        return "lambent" if default is None else default.name

    def write(self, settings: DeploySettings) -> None:
        """Keep a stack's settings, in one step.

        Raises
        ------
        ParameterRefused   SAM CLI would read another value than the one that is kept, or the folder takes no file
        """
        document = self._document()
        environment = self.environment(settings.name)
        for command, values in (("build", _BUILD), ("deploy", _DEPLOY)):
            table = _table(document, environment, command)
            for key, value in values.items():
                if (command, key) != ("deploy", "resolve_s3") or "s3_bucket" not in table:
                    table.setdefault(key, value)
            for key in _COMMON:
                table.pop(key, None)
        common = _table(document, environment, "global")
        common["stack_name"] = settings.name
        for key, value in (("region", settings.region), ("profile", settings.profile)):
            if value:
                common[key] = value
        common["parameter_overrides"] = _kept(settings.parameters)
        draft = self._path.with_name(f".{CONFIG_FILE}.draft")
        try:
            draft.write_text(tomlkit.dumps(document))
            draft.replace(self._path)
        except OSError as exc:
            raise ParameterRefused(f"The settings cannot be kept in {self._path}: {exc.strerror}.") from exc

    def _document(self) -> Any:
        if not self._path.is_file():
            return tomlkit.document().add(_VERSION, tomlkit.item(0.1))
        try:
            return tomlkit.parse(self._path.read_text(encoding="utf-8"))
        except (tomlkit.exceptions.ParseError, UnicodeDecodeError, OSError) as exc:
            raise SettingMissing(f"{self._path.name} is no TOML: {exc}; mend it, or take it back from git.") from exc

    def _all(self) -> dict[str, DeploySettings]:
        """Return environment -> settings, of those that name a stack."""
        tables = self._document().unwrap().items()
        found = {environment: _settings(each) for environment, each in tables if isinstance(each, dict)}
        return {environment: each for environment, each in found.items() if each is not None}


def _settings(tables: dict[str, Any]) -> DeploySettings | None:
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
    table = tables.get(command)
    found = table.get("parameters") if isinstance(table, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def _table(document: Any, environment: str, command: str) -> Any:
    if environment not in document:
        document[environment] = tomlkit.table(is_super_table=True)
    if command not in document[environment]:
        document[environment][command] = tomlkit.table(is_super_table=True)
    if "parameters" not in document[environment][command]:
        document[environment][command]["parameters"] = tomlkit.table()
    return document[environment][command]["parameters"]


def _overrides(told: Any) -> dict[str, str]:
    """Read parameter_overrides by SAM CLI's own parser: a text, a table, or a list of both.

    Raises
    ------
    ParameterRefused   SAM CLI would refuse it; or it names a file, which cannot be changed from here
    """
    from click import BadParameter
    from samcli.cli.types import CfnParameterOverridesType  # takes most of a second, and --help should not

    parts = told if isinstance(told, list) else [told]
    if any(str(part).startswith("file://") or (isinstance(part, dict) and "$include" in part) for part in parts):
        raise ParameterRefused(
            f"parameter_overrides in {CONFIG_FILE} names a file, which `lambent deploy` does not follow: "
            f"write the parameters into {CONFIG_FILE}."
        )
    try:
        read: dict[str, str] = CfnParameterOverridesType().convert(told, None, None)
    except BadParameter as exc:
        raise ParameterRefused(f"parameter_overrides in {CONFIG_FILE}: {exc.message}") from exc
    return read


def _kept(parameters: dict[str, str]) -> list[str]:
    """Return parameter_overrides that SAM CLI reads as these values; raises ParameterRefused."""
    kept = [f'{name}="{_escaped(value)}"' for name, value in parameters.items()]
    read = _overrides(kept)
    if changed := [name for name, value in parameters.items() if read.get(name) != value]:
        raise ParameterRefused(f"SAM CLI would not read {changed[0]} as {parameters[changed[0]]!r}: say it otherwise.")
    return kept


def _escaped(value: str) -> str:
    """Escape what SAM CLI unescapes, and no other backslash: it would stay twice."""
    return re.sub(r"\\(?=[ '\"])", r"\\\\", value).replace('"', '\\"')
