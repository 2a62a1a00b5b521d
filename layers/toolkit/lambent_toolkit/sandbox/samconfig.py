"""What samconfig.toml, the SAM CLI's own file, says about the stack."""

from __future__ import annotations

import tomllib
from pathlib import Path

from lambent_toolkit.sandbox.options import STACK_NAME

CONFIG_FILE = "samconfig.toml"


def stack_name(root: Path) -> str:
    """Return the name that samconfig.toml gives the stack, or else the local stack's usual one."""
    config = root / CONFIG_FILE
    if not config.is_file():
        return STACK_NAME
    tables = tomllib.loads(config.read_text()).get("default", {})
    found = [tables.get(command, {}).get("parameters", {}).get("stack_name") for command in ("deploy", "global")]
    return next((str(name) for name in found if name), STACK_NAME)
