"""Which interpreter the adapter takes, and what it says of one that is there and cannot be loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "layers/core"
TOO_OLD = "/lib64/libm.so.6: version `GLIBC_2.29' not found (required by /opt/python/it.so)"
PROGRAM = """
from lambent.errors import Misconfigured
try:
    from lambent.adapters.litert import RUNTIME
except Misconfigured as exc:
    print(exc.code, exc.detail)
else:
    print(RUNTIME)
"""


def say(folder: Path, **packages: str) -> str:
    """Return what the adapter says where these packages are the first on the path: name -> code of `interpreter`."""
    for name, code in packages.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        (folder / name / "interpreter.py").write_text(code)
    environment = {"PYTHONPATH": os.pathsep.join(map(str, (folder, CORE)))}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "failure", [f'raise ImportError("{TOO_OLD}")', "import ai_edge_litert._compiled_for_another_python"]
)
def test_an_interpreter_that_cannot_be_loaded_is_a_coded_error_and_never_replaced_by_the_other(
    tmp_path: Path, failure: str
) -> None:
    said = say(tmp_path, ai_edge_litert=failure, tflite_runtime="class Interpreter: pass")

    assert said.startswith("misconfigured ")
    assert "tflite-runtime" not in said
    assert "PythonVersion, Architecture and Interpreter" in said
    assert ("GLIBC_2.29" in said) or ("_compiled_for_another_python" in said)


def test_litert_is_taken_where_it_is(tmp_path: Path) -> None:
    packages = dict.fromkeys(("ai_edge_litert", "tflite_runtime"), "class Interpreter: pass")

    assert say(tmp_path, **packages) == "ai-edge-litert\n"
