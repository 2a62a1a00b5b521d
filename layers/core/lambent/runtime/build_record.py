"""What the core layer says that it was built for, held against what runs it.

`sam build` and `sam deploy` are told the Python and the processor apart from each other. Where they were told different
things, the first import of compiled code would fail with a text that names neither; so this is asked before it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_ARCHITECTURES = {"aarch64": "arm64"}  # the kernel's names, where Lambda has others


class BuildMismatch(ImportError):
    """The layer was built for another Python or processor than runs it."""


def check_build(opt: Path) -> None:
    """Compare the record of the core layer with this process; outside of layers there is none, and nothing to ask.

    Parameters
    ----------
    opt : Path   folder of the layer's contents, /opt on Lambda

    Raises
    ------
    BuildMismatch   they differ; the text names both
    """
    try:
        record = json.loads((opt / "built" / "CoreLayer.json").read_bytes())
    except FileNotFoundError:
        return
    built, running = f"{record['python']} on {record['architecture']}", _running()
    if built != running:
        raise BuildMismatch(
            f"build_mismatch: {record['layer']} was built for {built}, and {running} runs it: build and deploy with "
            "the same PythonVersion and Architecture (samconfig.toml gives both commands the same)"
        )


def _running() -> str:
    machine = os.uname().machine
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return f"{python} on {_ARCHITECTURES.get(machine, machine)}"
