"""Layers' names that TensorFlow does not take, made such in the file.

Keras on JAX or PyTorch names its layers as it likes, with blanks and accents. TensorFlow makes scopes of them, and
raises ValueError where a model is traced or exported. Weights go by the layers' order, so that a name in the
configuration, and what refers to it, can be replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from lambent.adapters.keras_archive import CONFIG_MEMBER

_OUTSIDE_SCOPES = re.compile(r"[^A-Za-z0-9_.-]")
_STARTS_SCOPE = re.compile(r"[A-Za-z0-9.]")


def scope_name(name: str) -> str:
    """Return the nearest name that TensorFlow takes for a scope and for a tensor of a signature."""
    plain = _OUTSIDE_SCOPES.sub("_", name)
    return plain if _STARTS_SCOPE.match(plain) else f"x{plain}"


def with_scope_names(archive: bytes) -> bytes:
    """Return a .keras file whose layers have names that TensorFlow takes; the same bytes if they have already."""
    with ZipFile(BytesIO(archive)) as read:
        config = json.loads(read.read(CONFIG_MEMBER))
        renamed = _renamed(set(_names(config)))
        if not renamed:
            return archive
        buffer = BytesIO()
        with ZipFile(buffer, "w", ZIP_STORED) as written:
            for info in read.infolist():
                is_config = info.filename == CONFIG_MEMBER
                body = json.dumps(_replaced(config, renamed)).encode() if is_config else read.read(info)
                written.writestr(info.filename, body)
    return buffer.getvalue()


def _names(config: Any) -> Iterator[str]:
    """Yield the names of all objects in a configuration."""
    if isinstance(config, dict):
        inside = config.get("config")
        if "class_name" in config and isinstance(inside, dict) and isinstance(inside.get("name"), str):
            yield inside["name"]
    if isinstance(config, dict | list):
        for each in config.values() if isinstance(config, dict) else config:
            yield from _names(each)


def _renamed(names: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sorted(names):
        new = scope_name(name)
        if new == name:
            continue
        while new in names or new in found.values():
            new += "_"
        found[name] = new
    return found


def _replaced(value: Any, renamed: dict[str, str]) -> Any:
    """Return a configuration in which each name is replaced, wherever it is referred to: also as the key of a dict."""
    if isinstance(value, dict):
        return {renamed.get(key, key): _replaced(each, renamed) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, renamed) for each in value]
    return renamed.get(value, value) if isinstance(value, str) else value
