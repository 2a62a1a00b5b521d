"""SAM takes the template as it is, builds it without Docker, and the layers stay small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from template_expanded import ROOT, read_source

from lambent_toolkit.sandbox.build import make_build
from lambent_toolkit.sandbox.options import StackOptions

LAYERS_BUDGET_BYTES = 160_000_000  # unzipped, together; Lambda's limit is 250 MiB with the function's own code
FUNCTIONS = [name for name, each in read_source()["Resources"].items() if each["Type"] == "AWS::Serverless::Function"]
_NO_DOCKER = "unix:///nowhere/docker.sock"


def _build(tmp_path_factory: pytest.TempPathFactory, **parameters: str) -> Path:
    options = StackOptions(root=ROOT, state_dir=tmp_path_factory.mktemp("state"), parameters=parameters)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_HOST", _NO_DOCKER)
        return make_build(options, print).folder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory)


@pytest.fixture(scope="module")
def with_tflite_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory, Interpreter="tflite-runtime")


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _packages(layer: Path) -> set[str]:
    return {path.name for path in (layer / "python").iterdir()}


def test_sam_validate_with_lint_is_clean() -> None:
    command = [str(Path(sys.executable).with_name("sam")), "validate", "--lint", "--region", "us-east-1"]
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_function_and_layer_is_built_without_docker(shipped: Path) -> None:
    built = {path.name for path in shipped.iterdir() if path.is_dir()}

    assert built == {*FUNCTIONS, "CoreLayer", "NumericLayer"}
    assert all((shipped / name / "app.py").is_file() for name in FUNCTIONS)


def test_layers_stay_within_the_budget(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {name: _size_bytes(shipped / name) for name in ("CoreLayer", "NumericLayer")}

    with capsys.disabled():
        print("\n" + "  ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()), end=" ")
    assert sum(sizes.values()) < LAYERS_BUDGET_BYTES


def test_core_layer_holds_our_package_and_no_numpy(shipped: Path) -> None:
    packages = _packages(shipped / "CoreLayer")

    assert {"lambent", "boto3", "aws_lambda_powertools", "msgspec"} <= packages
    assert not packages & {"numpy", "PIL", "ai_edge_litert", "lambent_toolkit"}


def test_numeric_layer_holds_the_interpreter_and_nothing_of_ours(shipped: Path) -> None:
    packages = _packages(shipped / "NumericLayer")

    assert {"numpy", "PIL", "ai_edge_litert"} <= packages
    assert not packages & {"lambent", "tflite_runtime", "tensorflow"}


def test_a_deployment_can_choose_tflite_runtime(with_tflite_runtime: Path) -> None:
    packages = _packages(with_tflite_runtime / "NumericLayer")

    assert {"numpy", "PIL", "tflite_runtime"} <= packages
    assert "ai_edge_litert" not in packages


def test_no_bytecode_or_tests_of_ours_are_shipped(shipped: Path) -> None:
    ours = [shipped / "CoreLayer" / "python" / "lambent", *(shipped / name for name in FUNCTIONS)]

    extra = [path for folder in ours for path in folder.rglob("*") if path.name in ("__pycache__", "tests", "test")]

    assert extra == []
