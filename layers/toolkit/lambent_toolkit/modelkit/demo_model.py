"""The demo model: trained once on a machine, then taken from the cache."""

from __future__ import annotations

import os
import shutil
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import lambent
from lambent.domain.model import LIVE, REPORT_FILE, ModelRef
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.recipes import digits
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.workbench import Workbench
from lambent_toolkit.sandbox.options import find_root

if TYPE_CHECKING:
    from lambent_toolkit.sandbox.stack_info import StackInfo

_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "scikit-learn")


def default_cache_dir() -> Path:
    """Return the folder, beside the template, where what takes long to make is kept."""
    return find_root() / ".cache" / "lambent"


def build_demo_model(cache_dir: Path, watcher: Watcher = SILENCE) -> Artifact:
    """Return the digits model, trained, quantized and evaluated; made anew when its sources or packages changed.

    Parameters
    ----------
    cache_dir   created if need be
    watcher     is told of the steps, if any are needed
    """
    folder = cache_dir / f"demo-model-{_fingerprint()}"
    if not (folder / REPORT_FILE).exists():
        draft = cache_dir / f".demo-model-{os.getpid()}"
        _make(draft, watcher)
        _keep(draft, folder)
    return Artifact.read(folder)


def publish_demo_model(stack: StackInfo, *, cache_dir: Path | None = None, watcher: Watcher = SILENCE) -> ModelRef:
    """Publish the demo model to a stack and point the label ``live`` to it."""
    artifact = build_demo_model(cache_dir or default_cache_dir(), watcher)
    publisher = Publisher(stack)
    ref = publisher.publish(artifact).ref
    publisher.set_label(ref.name, LIVE, ref.version)
    return ref


def _make(folder: Path, watcher: Watcher) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    bench = Workbench(folder, watcher=watcher)
    bench.train(digits.RECIPE)
    bench.quantize()
    bench.evaluate()


def _keep(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        # Another process has made the same model in the meantime; the name says that they are equal.
        shutil.rmtree(draft)


def _fingerprint() -> str:
    kit = Path(__file__).parent
    core = Path(lambent.__file__).parent
    sources = [
        *sorted(kit.rglob("*.py")),
        *sorted((core / "domain/preprocessing").glob("*.py")),
        core / "contracts/model.py",
    ]
    hashed = sha256()
    for source in sources:
        hashed.update(source.read_bytes())
    hashed.update(" ".join(f"{name}=={version(name)}" for name in _PACKAGES).encode())
    return hashed.hexdigest()[:12]
