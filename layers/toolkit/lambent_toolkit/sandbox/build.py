"""Make what Lambda would get: `sam build`'s artifacts, and AWS's runtime client beside them.

A build is kept under the digest of its sources, so that an unchanged tree starts at once. A process that uses a build
holds a lock on it until it ends, however it ends, so that newer builds never pull files away under a stack that runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.errors import BrokenTemplate, BuildFailed, MissingTool
from lambent_toolkit.sandbox.function_spec import base_interpreter
from lambent_toolkit.sandbox.options import PYTHON_VERSION, REGION, StackOptions
from lambent_toolkit.sandbox.programs import Programs
from lambent_toolkit.sandbox.sources import (
    build_parameters,
    digest,
    effective_parameters,
    override_options,
    read_template,
    source_folders,
)
from lambent_toolkit.sandbox.template import translate

RUNTIME_LOCK = Path(__file__).with_name("runtime-requirements.txt")
KEPT_BUILDS = 3
_LOCK_FILE = ".in-use"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Build:
    """Where the artifacts of one build are.

    Parameters
    ----------
    folder : Path        one folder per function and layer
    template : Path      the template that `sam build` wrote
    parameters : dict    what its parameters are set to
    runtime_dir : Path   the Lambda runtime client
    chosen : dict        those of the parameters that chose what was built
    """

    folder: Path
    template: Path
    parameters: dict[str, str]
    runtime_dir: Path
    chosen: dict[str, str]


def make_build(options: StackOptions, say: Say, programs: Programs | None = None) -> Build:
    """Build the template's functions and layers, unless this very state was built before.

    Parameters
    ----------
    options : StackOptions
    say : called with one line about what takes time
    programs : Programs | None   runs sam and uv; given, it can end them early

    Raises
    ------
    MissingTool      sam or uv is not installed
    BrokenTemplate   the template cannot be read, or `sam build` refuses it
    BuildFailed      a package cannot be installed
    """
    programs = programs or Programs()
    template = read_template(options.template_path)
    missing = [str(folder.relative_to(options.root)) for folder in _sources(options, template) if not folder.exists()]
    if missing:
        raise BrokenTemplate(f"{options.template} names folders that do not exist: {', '.join(missing)}")
    parameters = effective_parameters(template, options.parameters, options.local_parameters)
    options.cache_dir.mkdir(exist_ok=True)
    with _only_one(options.cache_dir / "lambent.lock"):
        runtime_dir = _runtime_client(options.cache_dir, say, programs)
        chosen = _chosen(template, parameters)
        folder = build_folder(options)
        if not (folder / "template.yaml").exists():
            # First, since the translator names what is wrong with a template, and `sam build` shows a stack trace.
            translate(options.template_path, parameters)
            _sam_build(options, folder, parameters, say, programs)
        os.utime(folder)
        _hold(folder)
        _forget_old(folder.parent)
    return Build(folder, folder / "template.yaml", parameters, runtime_dir, chosen)


def build_folder(options: StackOptions) -> Path:
    """Return where the build of this very state of the sources is, or will be; raises BrokenTemplate."""
    template = read_template(options.template_path)
    chosen = _chosen(template, effective_parameters(template, options.parameters, options.local_parameters))
    name = f"{digest(_sources(options, template))}{_suffix(chosen)}"
    return options.cache_dir / "lambent" / name


def _sources(options: StackOptions, template: dict[str, Any]) -> list[Path]:
    return [options.template_path, *source_folders(template, options.root)]


def _chosen(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, str]:
    # Overrides belong to the name where they choose what is built, e.g. the folder of a layer.
    return {name: parameters[name] for name in sorted(build_parameters(template) & set(parameters))}


def _suffix(parameters: dict[str, str]) -> str:
    """Return a short suffix that differs for different overrides, empty without any."""
    text = "\0".join(f"{key}={value}" for key, value in sorted(parameters.items()))
    return f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}" if text else ""


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Let stacks that start together build one after the other."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def find_tool(name: str) -> str:
    """Return a program of this virtual environment, or else of the PATH.

    Raises
    ------
    MissingTool   it is in neither
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise MissingTool(f"`{name}` is not installed in this Python environment; run `make setup`")
    return found


def check_python(build: Build) -> None:
    """Refuse a build that the Python of this environment, which functions run with here, cannot run.

    Raises
    ------
    BrokenTemplate   it was built for another Python
    """
    built_for = build.parameters.get("PythonVersion", PYTHON_VERSION)
    if built_for != PYTHON_VERSION:
        raise BrokenTemplate(
            f"PythonVersion is {built_for}, and this environment has {PYTHON_VERSION}, which the local stack runs "
            f"functions with: leave PythonVersion out, or make an environment of {built_for} "
            f"(make PYTHON={built_for} setup)"
        )


def _runtime_client(cache_dir: Path, say: Say, programs: Programs) -> Path:
    folder = cache_dir / "runtime" / f"{PYTHON_VERSION}-{digest([RUNTIME_LOCK])}"
    if folder.exists():
        return folder
    find_tool("uv")
    say("installing the Lambda runtime client")
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    command = [sys.executable, "-m", "uv", "--no-config", "pip", "install", "--quiet", "--python", base_interpreter()]
    command += ["--target", str(draft), "--compile-bytecode", "--require-hashes", "--requirement", str(RUNTIME_LOCK)]
    _run(programs, command, cwd=None)
    draft.rename(folder)
    return folder


def _sam_build(options: StackOptions, folder: Path, parameters: dict[str, str], say: Say, programs: Programs) -> None:
    sam = find_tool("sam")
    say("building functions and layers (sam build)")
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    command = [sam, "build", "--template-file", str(options.template_path), "--build-dir", str(draft)]
    command += ["--cached", "--cache-dir", str(options.cache_dir / "cache"), "--parallel", "--region", REGION]
    command += override_options(parameters)
    _run(programs, command, cwd=options.root)
    draft.rename(folder)


def _run(programs: Programs, command: list[str], cwd: Path | None) -> None:
    beside = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": REGION,
    }
    code, said = programs.run(command, cwd=cwd, env=environment)
    if code:
        raise BuildFailed(f"`{Path(command[0]).name} {' '.join(command[1:4])} …` ended with {code}:\n{said}")


def _hold(build: Path) -> None:
    """Keep a build from being deleted for as long as this process lives."""
    # A descriptor and no file object, which Python would warn of at the end: nobody closes it. The lock ends with the
    # process, whose children do not inherit it.
    descriptor = os.open(build / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _forget_old(builds: Path) -> None:
    """Delete all but the newest builds, and those that a process uses."""
    by_age = sorted((path for path in builds.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for folder in by_age[:-KEPT_BUILDS]:
        if not _is_held(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_held(build: Path) -> bool:
    with (build / _LOCK_FILE).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
