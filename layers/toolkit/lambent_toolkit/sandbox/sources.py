"""Which files a build depends on, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from lambent_toolkit.sandbox.errors import BrokenTemplate

IGNORED_PARTS = {"__pycache__", ".git", ".aws-sam", ".venv"}
CODE_PROPERTIES = ("CodeUri", "ContentUri")


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
