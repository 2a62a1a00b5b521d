"""The product's sources with faults beside every function's code: what a soak builds and runs."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from chaos.chaos import API_FAULTS

from lambent_toolkit.sandbox.build import build_folder, make_build
from lambent_toolkit.sandbox.local_stack import stack_options

ROOT = Path(__file__).parents[2]
CHAOS = Path(__file__).parent / "chaos"
_LAYERS = ("core", "numeric", "tables")
# Times of queues and functions as parts of what they are: a hang must cost seconds here.
_TIMES = re.compile(r"^(?P<head> +(?:Timeout|VisibilityTimeout): )(?P<seconds>\d+)", re.MULTILINE)
_LEAST_S = 10


def make_root(folder: Path, *, time_scale: float) -> Path:
    """Copy what a build of the product is made of into ``folder/root``, with the faults beside every ``app.py``.

    What is copied depends on the sources alone: seed and rates lie in ``folder/state``. The build itself is the
    product's own, with the same files put in, so that it costs no second one.

    Parameters
    ----------
    time_scale   part of the functions' timeouts and of the queues' visibility that is kept
    """
    root = folder / "root"
    for name in ("functions", *(f"layers/{layer}" for layer in _LAYERS)):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", root)
    _put_faults(root, sorted((root / "functions").glob("*/app.py")), folder / "state", time_scale)
    _build(root, folder / "state", time_scale)
    return root


def _build(root: Path, state: Path, time_scale: float) -> None:
    shipped = make_build(stack_options(ROOT / ".lambent", root=ROOT), lambda _text: None)
    options = stack_options(root, root=root)
    runtime = options.cache_dir / shipped.runtime_dir.relative_to(ROOT / ".aws-sam")
    shutil.copytree(shipped.runtime_dir, runtime, copy_function=os.link)
    folder = build_folder(options)
    shutil.copytree(shipped.folder, folder, copy_function=os.link)
    _put_faults(folder, sorted(folder.glob("*Function/app.py")), state, time_scale)


def _put_faults(folder: Path, apps: list[Path], state: Path, time_scale: float) -> None:
    template = (folder / "template.yaml").read_text()
    (folder / "template.yaml").unlink()  # it may be a link to what the product uses
    (folder / "template.yaml").write_text(_TIMES.sub(lambda found: _scaled(found, time_scale), template))
    for app in apps:
        app.rename(app.with_name("app_as_shipped.py"))
        for name in ("app.py", "chaos.py"):
            shutil.copy(CHAOS / name, app.parent)
        name = app.parent.name.removesuffix("Function").lower()
        (app.parent / "chaos.json").write_text(json.dumps({"state": str(state), "function": name}))


def make_state(folder: Path, *, seed: int, rates: dict[str, float]) -> Path:
    """Make ``folder/state``, where processes read which faults happen, and leave marks of those that did.

    Parameters
    ----------
    rates   parts of the requests that a fault meets: kill, throttle, timeout, api_5xx
    """
    state = folder / "state"
    (state / "fired").mkdir(parents=True)
    (state / "faults.json").write_text(json.dumps({"seed": seed, "rates": _split(rates)}))
    (state / "executions.log").touch()
    return state


def _scaled(found: re.Match[str], scale: float) -> str:
    return f"{found['head']}{max(_LEAST_S, round(int(found['seconds']) * scale))}"


def _split(rates: dict[str, float]) -> dict[str, float]:
    """Give half of the ambiguous faults the form in which the call was carried out."""
    return {"kill": rates["kill"]} | {
        fault: rates[fault.removesuffix("_after")] / (1 if fault == "throttle" else 2) for fault in API_FAULTS
    }
