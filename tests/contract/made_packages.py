"""Packages of layers for any Python and processor, installed by the layers' own recipe and kept between runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from template_expanded import ROOT

_KEPT = ROOT / ".cache" / "layers"


def make_packages(layer: str, python: str, architecture: str, *, without: tuple[str, ...] = ()) -> Path:
    """Return a folder with the packages of a layer, as its recipe installs them: all but our own code and bytecode.

    Parameters
    ----------
    layer : str                 folder under layers/
    python, architecture : str  what for, e.g. python3.12, arm64
    without : tuple             files of the layer's folder that are left out, to see what they are for
    """
    sources = [path for path in _sources(ROOT / "layers" / layer) if path.name not in without]
    state = sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = _KEPT / f"{layer.replace('/', '-')}-{python}-{architecture}-{state}"
    _KEPT.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            _run_recipe(sources, ROOT / "layers" / layer, draft, f"{python}-{architecture}")
            (draft / "made").rename(folder)
            shutil.rmtree(draft)
    return folder


def _sources(folder: Path) -> list[Path]:
    """Return what the recipe reads, in a fixed order; our own code has no libraries."""
    return sorted(path for pattern in ("*.*", "python*/*") for path in folder.glob(pattern) if path.is_file())


def _run_recipe(sources: list[Path], layer: Path, draft: Path, target: str) -> None:
    for source in sources:
        copy = draft / "layer" / source.relative_to(layer)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    command = ["make", "--makefile", f"{target}/Makefile", "packages", f"PYTHON={sys.executable}"]
    environment = {**os.environ, "ARTIFACTS_DIR": str(draft / "made")}
    done = subprocess.run(command, cwd=draft / "layer", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
