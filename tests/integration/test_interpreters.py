"""One adapter, two interpreters: LiteRT, which the numeric layer ships, and tflite-runtime, its predecessor."""

import fcntl
import os
import platform
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from shutil import copytree
from types import ModuleType

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from lambent_toolkit.modelkit.errors import ServingRefused
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES, digits
from lambent_toolkit.modelkit.serving_check import ServingRun, serve
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.sandbox.function_spec import base_interpreter
from programs import ROOT, load_file

LOCKS = [ROOT / "layers/numeric/tflite_runtime/requirements.txt", ROOT / "layers/core/requirements.txt"]
PICTURES = 200

pytestmark = [
    FOREIGN_WARNINGS,
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="tflite-runtime 2.14.0 has no wheel for this processor's Lambda"
    ),
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="tflite-runtime 2.14.0 has no wheel for this Python"),
]


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return held_out(RECIPES["digits"]).items[:PICTURES]


@pytest.fixture(scope="module")
def old_packages() -> list[Path]:
    """Return an import path with tflite-runtime and what the core needs, installed from the locks with hashes."""
    name = sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()[:12]
    folder = ROOT / ".cache" / "tflite-runtime" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(folder)
    return [folder, ROOT / "layers/core"]


def _install(folder: Path) -> None:
    draft = folder.with_suffix(".draft")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--python", base_interpreter()]
    options = ["--target", str(draft), "--require-hashes", "--no-deps"]
    locks = [word for lock in LOCKS for word in ("--requirement", str(lock))]
    subprocess.run([*command, *options, *locks], check=True)
    draft.rename(folder)


@pytest.fixture(scope="module")
def under_tflite_runtime(old_packages: list[Path], pictures: list[bytes], trained_folder: Path) -> ServingRun:
    return serve((trained_folder / "model.tflite").read_bytes(), digits.CONTRACT, pictures, python_path=old_packages)


@pytest.fixture(scope="module")
def under_litert(pictures: list[bytes], trained_folder: Path) -> ServingRun:
    return serve((trained_folder / "model.tflite").read_bytes(), digits.CONTRACT, pictures)


def test_each_place_has_its_own_interpreter_behind_the_same_adapter(
    under_tflite_runtime: ServingRun, under_litert: ServingRun
) -> None:
    assert (under_tflite_runtime.runtime, under_tflite_runtime.versions["tflite-runtime"]) == (
        "tflite-runtime",
        "2.14.0",
    )
    assert (under_litert.runtime, under_litert.versions["ai-edge-litert"]) == ("ai-edge-litert", "1.4.0")
    assert not [file for file in under_tflite_runtime.origins if "ai_edge_litert" in file]


def test_int8_model_gives_the_same_answers_under_both(
    under_tflite_runtime: ServingRun, under_litert: ServingRun, trained_folder: Path
) -> None:
    old, new = under_tflite_runtime.golden.outputs["scores"], under_litert.golden.outputs["scores"]

    # Kernels may round a half the other way: a step of the logits, which softmax passes on by a quarter at most
    # (its slope is p(1 - p)), and a step of the output's 1/256.
    logit_step = _logit_step((trained_folder / "model.tflite").read_bytes())
    assert np.abs(old - new).max() <= logit_step / 4 + 1 / 256
    assert np.array_equal(old.argmax(axis=1), new.argmax(axis=1))


def test_both_preprocess_to_the_same_bits(under_tflite_runtime: ServingRun, under_litert: ServingRun) -> None:
    assert np.array_equal(under_tflite_runtime.golden.tensors["image"], under_litert.golden.tensors["image"])


def test_newer_operators_are_refused_under_tflite_runtime_with_what_to_do(
    old_packages: list[Path], pictures: list[bytes], trained_folder: Path
) -> None:
    trained = from_keras_file((trained_folder / "model.keras").read_bytes())
    newer = to_tflite(trained, digits.CONTRACT, variant="dynamic")

    with pytest.raises(ServingRefused) as caught:
        serve(newer, digits.CONTRACT, pictures[:1], python_path=old_packages)
    accepted = serve(newer, digits.CONTRACT, pictures[:1])

    assert caught.value.code == "model_operator_unsupported"
    assert "Interpreter=litert" in caught.value.detail
    assert "full int8" in caught.value.detail
    assert accepted.golden.outputs["scores"].shape == (1, 10)


@pytest.fixture(scope="module")
def rewriting() -> ModuleType:
    """Return the program that the layer's recipe runs."""
    return load_file(ROOT / "layers/numeric/tflite_runtime/rewrite_libm_versions.py")


def _outputs(python_path: list[Path], seed: int) -> list[str]:
    program = Path(__file__).with_name("outputs_program.py")
    command = [base_interpreter(), "-S", "-s", "-P", str(program), str(ROOT / "tests/fixtures"), str(seed)]
    environment = {"PYTHONPATH": ":".join(map(str, python_path)), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_with_libm_s_first_versions_every_output_is_the_same_bit_for_bit(
    old_packages: list[Path], rewriting: ModuleType, tmp_path: Path
) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    copytree(old_packages[0] / "tflite_runtime", tmp_path / "tflite_runtime")
    library = tmp_path / rewriting.LIBRARY
    as_it_came = library.read_bytes()
    library.write_bytes(rewriting.rewrite(as_it_came))

    before, after = _outputs(old_packages, seed), _outputs([tmp_path, *old_packages], seed)

    changed = [at for at, (old, new) in enumerate(zip(as_it_came, library.read_bytes(), strict=True)) if old != new]
    assert 0 < len(changed) <= 16  # two entries with a hash and a name, of four bytes each
    assert after == before
    assert sum(len(line.split()[-1]) == 64 for line in after) >= 14  # digests, not refusals


def test_the_rewrite_ends_the_build_when_the_library_is_another_one(
    old_packages: list[Path], rewriting: ModuleType
) -> None:
    library = (old_packages[0] / rewriting.LIBRARY).read_bytes()
    once = rewriting.rewrite(library)

    for other in (once, b"", b"PK" + library[2:], library[:4] + b"\x01" + library[5:]):
        with pytest.raises(rewriting.NotAsExpected):
            rewriting.rewrite(other)


def _logit_step(model: bytes) -> float:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    scales = {tensor["name"]: tensor["quantization"][0] for tensor in interpreter.get_tensor_details()}
    (logits,) = (name for name in scales if name.endswith("scores_1/BiasAdd") and ";" in name)
    return float(scales[logits])
