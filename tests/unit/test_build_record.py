"""A layer that was built for something else says so before anything of it fails to be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambent.runtime.build_record import BuildMismatch, check_build

CORE = Path(__file__).parents[2] / "layers/core/lambent"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def opt(folder: Path, *, python: str = PYTHON, architecture: str = ARCHITECTURE) -> Path:
    """Return a folder such as /opt, with the record that `layer.mk` writes."""
    record = {"layer": "CoreLayer", "python": python, "architecture": architecture, "interpreter": ""}
    (folder / "built").mkdir()
    (folder / "built" / "CoreLayer.json").write_text(json.dumps(record))
    return folder


def test_a_layer_for_this_python_and_processor_is_taken(tmp_path: Path) -> None:
    check_build(opt(tmp_path))


def test_outside_of_layers_there_is_nothing_to_compare(tmp_path: Path) -> None:
    check_build(tmp_path)


@pytest.mark.parametrize("other", [{"python": "python3.10"}, {"architecture": "riscv64"}], ids=["python", "processor"])
def test_what_a_layer_was_built_for_and_what_runs_it_are_both_named(tmp_path: Path, other: dict[str, str]) -> None:
    built = {"python": PYTHON, "architecture": ARCHITECTURE} | other

    with pytest.raises(BuildMismatch) as caught:
        check_build(opt(tmp_path, **other))

    assert f"was built for {built['python']} on {built['architecture']}" in str(caught.value)
    assert f"and {PYTHON} on {ARCHITECTURE} runs it" in str(caught.value)
    assert "samconfig.toml" in str(caught.value)


def test_the_first_import_of_a_function_tells_it_and_not_a_missing_module_of_a_package(tmp_path: Path) -> None:
    (opt(tmp_path, python="python3.10") / "python").mkdir()
    (tmp_path / "python" / "lambent").symlink_to(CORE)
    command = [sys.executable, "-S", "-s", "-P", "-c", "from lambent.contracts.decoding import decode_json"]

    done = subprocess.run(
        command, env={"PYTHONPATH": str(tmp_path / "python")}, capture_output=True, text=True, check=False
    )

    # Lambda's runtime logs the text of an ImportError.
    assert "BuildMismatch: build_mismatch: CoreLayer was built for python3.10" in done.stderr.splitlines()[-1]
