"""The packages that a job's outcome depends on; imports none of them, so that an image without them can say so."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import lambent

_TOOLS = ("tensorflow", "keras", "numpy")
NONE = "none"


def tools() -> dict[str, str]:
    """Return the versions that a job has to share with the machine that sent it; ``NONE`` where there is none."""
    return {"lambent": lambent.__version__} | {tool: _version(tool) for tool in _TOOLS}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NONE
