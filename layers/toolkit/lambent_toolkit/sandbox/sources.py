"""Which files a build depends on, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.options import LOCAL_PARAMETERS

IGNORED_PARTS = {"__pycache__", ".git", ".aws-sam", ".venv"}
CODE_PROPERTIES = ("CodeUri", "ContentUri")
BUILD_PROPERTIES = {*CODE_PROPERTIES, "Architectures", "Runtime", "BuildMethod", "BuildArchitecture", "ContextPath"}


def read_template(path: Path) -> dict[str, Any]:
    """Parse a SAM template.

    Raises
    ------
    BrokenTemplate   missing, not YAML, or without Resources
    """
    import yaml  # a dependency of the translator

    try:
        template = yaml_parse(path.read_text())
    except FileNotFoundError:
        raise BrokenTemplate(f"there is no template {path}") from None
    except yaml.YAMLError as exc:
        raise BrokenTemplate(f"{path.name} is not valid YAML: {exc}") from exc
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise BrokenTemplate(f"{path.name} has no Resources")
    return dict(template)


def effective_parameters(
    template: dict[str, Any], overrides: dict[str, str], local: Mapping[str, str] = LOCAL_PARAMETERS
) -> dict[str, str]:
    """Return what a template's parameters are set to here, beside its own defaults.

    Parameters
    ----------
    template
    overrides   by whoever starts the stack; they win
    local       of every stack on this machine, where the template has them

    Raises
    ------
    BrokenTemplate   the template has no such parameter
    """
    declared = set(template.get("Parameters") or {})
    if unknown := sorted(set(overrides) - declared):
        known = ", ".join(sorted(declared)) or "none"
        raise BrokenTemplate(f"the template has no parameter {', '.join(unknown)}; it has {known}")
    return {name: value for name, value in local.items() if name in declared} | overrides


def build_parameters(template: dict[str, Any]) -> set[str]:
    """Return the parameters that a build depends on: those in a code folder's name, a runtime or an architecture."""
    names: set[str] = set()

    def look(node: Any, is_relevant: bool) -> None:
        if isinstance(node, dict):
            if is_relevant and isinstance(node.get("Ref"), str):
                names.add(node["Ref"])
            for key, value in node.items():
                look(value, is_relevant or key in BUILD_PROPERTIES)
        elif isinstance(node, list):
            for value in node:
                look(value, is_relevant)

    look([template.get("Globals", {}), template.get("Resources", {})], is_relevant=False)
    return names


def override_options(parameters: Mapping[str, str]) -> list[str]:
    """Return how SAM CLI is told parameters; they take the place of all that samconfig.toml says."""
    overrides = [f"ParameterKey={key},ParameterValue={value}" for key, value in parameters.items()]
    return ["--parameter-overrides", *overrides] if overrides else []


def source_folders(template: dict[str, Any], root: Path) -> list[Path]:
    """Return the folders that the template's functions and layers are built from, mapped ones included."""
    folders = set(_code_values(template.get("Resources", {})))
    folders |= set(_code_values(template.get("Mappings", {})))
    return sorted(root / folder for folder in folders)


def _code_values(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in CODE_PROPERTIES and isinstance(value, str):
                yield value
            else:
                yield from _code_values(value)
    elif isinstance(node, list):
        for value in node:
            yield from _code_values(value)


def digest(files_of: list[Path]) -> str:
    """Return a digest of names and contents; modification times do not count, so a fresh checkout builds once."""
    total = hashlib.sha256()
    for top in files_of:
        for path in _files(top):
            total.update(f"{path.relative_to(top.parent)}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def _files(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
        return
    for path in sorted(top.rglob("*")):
        if path.is_file() and not IGNORED_PARTS.intersection(path.relative_to(top).parts) and path.suffix != ".pyc":
            yield path
