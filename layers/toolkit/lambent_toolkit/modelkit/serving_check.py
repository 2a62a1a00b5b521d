"""Run a model file in the serving interpreter: a process with the layers' packages and none of this environment's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from lambent.contracts.model import ModelContract
from lambent.domain.model import CONTRACT_FILE, TFLITE_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ServingCheckFailed, ServingRefused
from lambent_toolkit.sandbox.build import make_build
from lambent_toolkit.sandbox.function_spec import base_interpreter
from lambent_toolkit.sandbox.local_stack import STATE_DIR, stack_options

PROGRAM = Path(__file__).with_name("serving_program.py")
ASSETS_FOLDER = "assets"
TIMEOUT_S = 120
LAYERS = ("NumericLayer", "CoreLayer")


@dataclass(frozen=True)
class ServingRun:
    """What the serving interpreter did with a model.

    Parameters
    ----------
    golden            raw items with the tensors and outputs made there
    output_step       distance of two neighbouring values of the outputs, the largest; 0 if none is quantized
    load_ms           reading the file into a ready interpreter
    p50_ms, p99_ms    one row through the adapter, one thread
    runtime           ai-edge-litert or tflite-runtime
    versions          of Python and of the packages that matter
    origins           file of every module that the process had loaded
    """

    golden: GoldenVectors
    output_step: float
    load_ms: float
    p50_ms: float
    p99_ms: float
    runtime: str
    versions: dict[str, str]
    origins: list[str]


def serve(
    model: bytes,
    contract: ModelContract,
    items: Sequence[bytes],
    *,
    assets: Mapping[str, bytes] | None = None,
    python_path: Sequence[Path] | None = None,
) -> ServingRun:
    """Predict raw items with a .tflite file as Lambda would.

    Parameters
    ----------
    model         bytes of the .tflite file
    contract
    items         raw items: pictures, texts or rows; at least one
    assets        files that the contract's preprocessing needs, by name
    python_path   folders to import from; the built layers if None

    Raises
    ------
    ServingRefused       the adapter refused the model or an item
    ServingCheckFailed   the process ended without an answer, e.g. the interpreter crashed
    BuildFailed          the layers could not be built
    """
    paths = serving_layers() if python_path is None else tuple(python_path)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / TFLITE_FILE).write_bytes(model)
        (folder / CONTRACT_FILE).write_bytes(msgspec.json.encode(contract))
        (folder / ASSETS_FOLDER).mkdir()
        for asset, body in (assets or {}).items():
            (folder / ASSETS_FOLDER / asset).write_bytes(body)
        (folder / "request.npz").write_bytes(GoldenVectors(list(items), {}, {}).to_npz())
        _run(folder, paths)
        figures = json.loads((folder / "figures.json").read_text())
        if "refused" in figures:
            raise ServingRefused(**figures["refused"])
        return ServingRun(golden=GoldenVectors.from_npz((folder / "answer.npz").read_bytes()), **figures)


@cache
def serving_layers() -> tuple[Path, ...]:
    """Return the ``python`` folders of the layers that `sam build` made, building them first if need be."""
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


def _run(folder: Path, python_path: Sequence[Path]) -> None:
    # -S and -P: nothing but PYTHONPATH and the standard library can be imported.
    command = [base_interpreter(), "-S", "-s", "-P", str(PROGRAM), str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command,
            env=serving_environment(python_path),
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise ServingCheckFailed(f"The serving interpreter gave no answer in {TIMEOUT_S} s.") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it wrote nothing"]
        raise ServingCheckFailed(f"The serving interpreter ended with status {done.returncode}: {last[0]}")
