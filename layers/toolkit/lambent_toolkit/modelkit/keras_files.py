"""Archives of Keras models, changed without loading them: their configuration, never their weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from lambent.adapters.keras_archive import CONFIG_MEMBER

Config = dict[str, Any]
_COMPILATION = "compile_config"
_PIECE_BYTES = 1 << 20


def with_config(source: Path, target: Path, change: Callable[[Config], Config]) -> None:
    """Write a .keras archive again with its configuration changed; members are stored as they are, as Keras does."""
    with ZipFile(source) as archive, ZipFile(target, "w", ZIP_STORED) as changed:
        for info in archive.infolist():
            if info.filename == CONFIG_MEMBER:
                changed.writestr(CONFIG_MEMBER, json.dumps(change(json.loads(archive.read(info)))))
                continue
            with archive.open(info) as member, changed.open(info.filename, "w", force_zip64=True) as copy:
                shutil.copyfileobj(member, copy, _PIECE_BYTES)


def without_inner_compilation(config: Config) -> Config:
    """Return a configuration in which no model within the model says how it was compiled.

    Keras builds the losses and optimizers of inner models even where it is told not to compile (its own
    ``compile=False`` is for the outermost only), and nothing that answers needs them.
    """
    return {name: value if name == _COMPILATION else _without_compilation(value) for name, value in config.items()}


def _without_compilation(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_compilation(each) for each in value]
    if not isinstance(value, dict):
        return value
    is_object = "class_name" in value
    return {
        name: _without_compilation(each) for name, each in value.items() if not (is_object and name == _COMPILATION)
    }
