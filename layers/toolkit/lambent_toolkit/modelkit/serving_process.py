"""The process of the serving interpreter: only what the layers hold can be imported in it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from signal import Signals

from lambent_toolkit.modelkit.errors import ServingCheckFailed
from lambent_toolkit.sandbox.function_spec import base_interpreter

PROGRAM = Path(__file__).with_name("serving_program.py")
LAYERS = ("NumericLayer", "CoreLayer")
# Folders with colons between them, where the layers' packages are installed already: in the worker's image.
LAYERS_VARIABLE = "LAMBENT_SERVING_LAYERS"
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\":]+/)+")


@cache
def serving_layers() -> tuple[Path, ...]:
    """Return the folders of the layers' packages: those of the environment, else what `sam build` makes, made first."""
    if installed := os.environ.get(LAYERS_VARIABLE):
        return tuple(map(Path, installed.split(os.pathsep)))
    # Not at the top: the worker's image has neither SAM nor a template.
    from lambent_toolkit.sandbox.build import make_build
    from lambent_toolkit.sandbox.local_stack import STATE_DIR, stack_options

    # The very options of a local stack, so that both share one build.
    build = make_build(stack_options(Path(STATE_DIR)), say=_unsaid)
    return tuple(build.folder / layer / "python" for layer in LAYERS)


def _unsaid(_line: str) -> None:
    """Leave out what the build tells: a progress display is running."""


def serving_environment(python_path: Sequence[Path]) -> dict[str, str]:
    """Return a process environment that holds these folders and nothing of the caller's."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(map(str, python_path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        # As on Lambda, see template.yaml.
        "OPENBLAS_NUM_THREADS": "1",
    }


def run_program(
    arguments: Sequence[str], *, python_path: Sequence[Path], timeout_s: float, program: Path | None = None
) -> None:
    """Run `serving_program`, or another one of ours, to its end; raises ServingCheckFailed with its last words."""
    # -S and -P: nothing but PYTHONPATH and the standard library can be imported.
    command = [base_interpreter(), "-S", "-s", "-P", str(program or PROGRAM), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command,
            env=serving_environment(python_path),
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise ServingCheckFailed(
            f"The serving interpreter gave no answer in {timeout_s:.0f} s.", waited_s=timeout_s
        ) from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it wrote nothing"]
        told = _without_folders(last[0])
        raise ServingCheckFailed(f"The serving interpreter ended with {_ending(done.returncode)}: {told}")


def _without_folders(line: str) -> str:
    """Return a line without the folders of absolute paths: they are temporary ones, or of this machine alone."""
    return _FOLDERS.sub("", line)


def _ending(status: int) -> str:
    """Return in words how a process ended: a negative status is a signal, which is how an interpreter crashes."""
    return f"status {status}" if status > 0 else f"signal {Signals(-status).name}"
