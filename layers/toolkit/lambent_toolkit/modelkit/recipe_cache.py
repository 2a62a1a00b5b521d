"""Models of the built-in recipes: made once on a machine, then taken from the cache."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import lambent
from lambent.domain.model import LIVE, REPORT_FILE, ModelRef
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.evaluation_step import TOOLS
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher
from lambent_toolkit.modelkit.workbench import Workbench
from lambent_toolkit.sandbox.options import find_root

if TYPE_CHECKING:
    from lambent.ports import Signer
    from lambent_toolkit.stacks.stack import Stack


def default_cache_dir() -> Path:
    """Return the folder, beside the template, where what takes long to make is kept."""
    return find_root() / ".cache" / "lambent"


def build_recipe(name: str, cache_dir: Path, watcher: Watcher = SILENCE) -> Artifact:
    """Return a built-in recipe's model, trained, quantized and evaluated.

    Parameters
    ----------
    name        of a built-in recipe
    cache_dir   created if need be; a model is made anew when its sources or packages changed
    watcher     is told of the steps, if any are needed
    """
    folder = cache_dir / f"recipe-{name}-{_fingerprint(name)}"
    if not (folder / REPORT_FILE).exists():
        with _only_one(name, cache_dir):
            if not (folder / REPORT_FILE).exists():
                draft = cache_dir / f".recipe-{name}"
                _make(name, draft, watcher)
                draft.rename(folder)
    return Artifact.read(folder)


def publish_recipe(
    stack: Stack,
    name: str,
    *,
    cache_dir: Path | None = None,
    watcher: Watcher = SILENCE,
    signer: Signer | None = None,
) -> ModelRef:
    """Publish a built-in recipe's model to a stack, by the gate as any other, and point the label ``live`` to it.

    Raises
    ------
    GateClosed    e.g. what lies in the cache does not run in the layers as they are now
    BuildFailed   the layers could not be built
    """
    artifact = build_recipe(name, cache_dir or default_cache_dir(), watcher)
    open_gate(check_artifact(artifact), is_forced=False)
    publisher = Publisher(stack, signer=signer)
    ref = publisher.publish(artifact).ref
    publisher.set_label(ref.name, LIVE, ref.version)
    return ref


def _make(name: str, folder: Path, watcher: Watcher) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    bench = Workbench(folder, watcher=watcher)
    bench.train(RECIPES[name])
    bench.quantize(Wish(measured=()))
    bench.evaluate()


@contextmanager
def _only_one(name: str, cache_dir: Path) -> Iterator[None]:
    """Let processes that want one model at the same time make it once; the lock goes with a process that is killed."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / f".recipe-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(name: str) -> str:
    kit = Path(__file__).parent
    core = Path(lambent.__file__).parent
    kit_sources = [source for source in sorted(kit.rglob("*.py")) if source.parent.name != "recipes"]
    preprocessing = sorted((core / "domain" / "preprocessing").glob("*.py"))
    contract = [core / "contracts/model.py", core / "services/golden.py"]
    hashed = sha256()
    for source in [*kit_sources, kit / "recipes" / f"{name}.py", *preprocessing, *contract]:
        hashed.update(source.read_bytes())
    hashed.update(" ".join(f"{tool}=={version(tool)}" for tool in TOOLS).encode())
    return hashed.hexdigest()[:12]
