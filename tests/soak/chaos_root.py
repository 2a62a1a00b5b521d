"""The product's sources with faults beside every function's code: what a soak builds and runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from chaos.chaos import API_FAULTS

ROOT = Path(__file__).parents[2]
CHAOS = Path(__file__).parent / "chaos"
_LAYERS = ("core", "numeric", "tables")
# Times of queues and functions as parts of what they are: a hang must cost seconds here.
_TIMES = re.compile(r"^(?P<head> +(?:Timeout|VisibilityTimeout): )(?P<seconds>\d+)", re.MULTILINE)
_LEAST_S = 10


def make_root(folder: Path, *, time_scale: float) -> Path:
    """Copy template, functions and layers into ``folder/root``, with the faults beside every ``app.py``.

    What is copied depends on the sources alone, so that it is built once: seed and rates lie in ``folder/state``.

    Parameters
    ----------
    time_scale   part of the functions' timeouts and of the queues' visibility that is kept
    """
    root = folder / "root"
    for name in ("functions", "layers", "template.yaml", "Makefile"):
        _remove(root / name)
    for name in ("functions", *(f"layers/{layer}" for layer in _LAYERS)):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    template = (ROOT / "template.yaml").read_text()
    (root / "template.yaml").write_text(_TIMES.sub(lambda found: _scaled(found, time_scale), template))
    shutil.copy(ROOT / "Makefile", root)
    for app in sorted((root / "functions").glob("*/app.py")):
        app.rename(app.with_name("app_as_shipped.py"))
        for name in ("app.py", "chaos.py"):
            shutil.copy(CHAOS / name, app.parent)
        settings = {"state": str(folder / "state"), "function": app.parent.name}
        (app.parent / "chaos.json").write_text(json.dumps(settings))
    return root


def make_state(folder: Path, *, seed: int, rates: dict[str, float]) -> Path:
    """Make ``folder/state`` anew, where processes read which faults happen, and leave marks of those that did.

    Parameters
    ----------
    rates   parts of the requests that a fault meets: kill, throttle, timeout, api_5xx
    """
    state = folder / "state"
    _remove(state)
    (state / "fired").mkdir(parents=True)
    (state / "faults.json").write_text(json.dumps({"seed": seed, "rates": _split(rates)}))
    (state / "executions.log").touch()
    return state


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _scaled(found: re.Match[str], scale: float) -> str:
    return f"{found['head']}{max(_LEAST_S, round(int(found['seconds']) * scale))}"


def _split(rates: dict[str, float]) -> dict[str, float]:
    """Give half of the ambiguous faults the form in which the call was carried out."""
    return {"kill": rates["kill"]} | {
        fault: rates[fault.removesuffix("_after")] / (1 if fault == "throttle" else 2) for fault in API_FAULTS
    }
