"""SAM takes the template as it is, builds it without Docker, and what it builds is small, compiled and complete."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from template_expanded import ROOT, read_source

from lambent_toolkit.sandbox.build import make_build
from lambent_toolkit.sandbox.function_spec import base_interpreter
from lambent_toolkit.sandbox.options import StackOptions

LIMIT_BYTES = 250 * 1024 * 1024  # Lambda's, of a function and its layers unzipped
BUDGET_BYTES = 134 * 1024 * 1024  # of PredictFunction, whose cold starts callers wait for
LAYERS = {"CoreLayer": "core", "NumericLayer": "numeric/litert", "TablesLayer": "tables"}
RECIPES = sorted((ROOT / "layers").rglob("layer.mk"))
PROGRAM = Path(__file__).with_name("layers_program.py")
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

    assert built == {*FUNCTIONS, *LAYERS}
    assert all((shipped / name / "app.py").is_file() for name in FUNCTIONS)


def _layers_of(function: str) -> list[str]:
    return [layer["Ref"] for layer in read_source()["Resources"][function]["Properties"]["Layers"]]


def test_predict_and_its_layers_stay_within_the_budget(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {name: _size_bytes(shipped / name) for name in (*LAYERS, "PredictFunction")}

    with capsys.disabled():
        print("\n" + "  ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in sizes.items()), end=" ")
    assert sum(sizes[name] for name in ("PredictFunction", *_layers_of("PredictFunction"))) <= BUDGET_BYTES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_is_too_large_with_its_layers(shipped: Path, function: str) -> None:
    assert sum(_size_bytes(shipped / name) for name in (function, *_layers_of(function))) <= LIMIT_BYTES


@pytest.mark.parametrize("layer", LAYERS)
def test_bytecode_of_every_module_is_shipped_and_needs_no_file_times(shipped: Path, layer: str) -> None:
    sources = list((shipped / layer).rglob("*.py"))

    invalid = [source for source in sources if not _has_valid_bytecode(source)]

    assert sources
    assert invalid == []


def _has_valid_bytecode(source: Path) -> bool:
    compiled = Path(importlib.util.cache_from_source(str(source)))
    if not compiled.is_file():
        return False
    header = compiled.read_bytes()[:16]
    # PEP 552: magic number, flags (1: by hash, not checked when imported), hash of the source
    expected = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    return header == expected + importlib.util.source_hash(source.read_bytes())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_nothing_that_its_layers_left_out(shipped: Path, function: str) -> None:
    path = [shipped / function, *(shipped / layer / "python" for layer in _layers_of(function))]

    _run_program(path, "imports")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the layers are built for x86_64")
@pytest.mark.parametrize("job", ["pictures", "texts", "models", "clients", "tables"])
def test_layers_do_what_the_functions_need(shipped: Path, job: str) -> None:
    _run_program([shipped / layer / "python" for layer in LAYERS], job)


def _run_program(path: list[Path], job: str) -> None:
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "AWS_DEFAULT_REGION": "eu-west-1",
        "POWERTOOLS_SERVICE_NAME": "lambent",
    }
    # -S and -P: nothing but the layers and the standard library can be imported.
    command = [base_interpreter(), "-S", "-s", "-P", "-B", str(PROGRAM), job, str(ROOT / "tests" / "fixtures")]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(platform.system() != "Linux", reason="ldd reads Linux's libraries")
def test_no_extension_misses_a_library(shipped: Path) -> None:
    # The bundled libraries in *.libs find each other through the extensions that load them.
    files = [path for layer in LAYERS for path in (shipped / layer).rglob("*.so")]
    extensions = [path for path in files if not path.parent.name.endswith(".libs")]

    done = subprocess.run(["ldd", *map(str, extensions)], capture_output=True, text=True, check=False)

    assert "not found" not in done.stdout


def test_all_layers_are_built_by_one_recipe() -> None:
    assert len(RECIPES) == 4
    assert len({recipe.read_text() for recipe in RECIPES}) == 1


def test_without_python_a_layer_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    done = _make_core(tmp_path, python="python3.11-missing")

    assert done.returncode != 0
    assert "Lambent's layers need python3.11-missing on the PATH to build" in done.stderr


def test_another_python_would_make_useless_bytecode_and_is_refused(tmp_path: Path) -> None:
    newer = tmp_path / "python"
    pretend = 'import sys; sys.version_info = (3, 12, 1); sys.version = "3.12.1 (main)"; exec(sys.argv[2])'
    newer.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{pretend}' \"$@\"\n")
    newer.chmod(0o755)

    done = _make_core(tmp_path, python=str(newer))

    assert done.returncode != 0
    assert "Lambent's layers need Python 3.11 to build, since bytecode of 3.12.1 is none for" in done.stderr


def _make_core(artifacts: Path, *, python: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--makefile", "x86_64/Makefile", "build-CoreLayer", f"PYTHON={python}"]
    environment = {**os.environ, "ARTIFACTS_DIR": str(artifacts)}
    return subprocess.run(
        command, cwd=ROOT / "layers/core", env=environment, capture_output=True, text=True, check=False
    )


def test_core_layer_holds_our_package_and_no_numpy(shipped: Path) -> None:
    packages = _packages(shipped / "CoreLayer")

    assert {"lambent", "botocore", "aws_lambda_powertools", "msgspec"} <= packages
    assert not packages & {"numpy", "PIL", "ai_edge_litert", "lambent_toolkit"}


def test_numeric_layer_holds_the_interpreter_and_nothing_of_ours(shipped: Path) -> None:
    packages = _packages(shipped / "NumericLayer")

    assert {"numpy", "PIL", "ai_edge_litert"} <= packages
    assert not packages & {"lambent", "tflite_runtime", "tensorflow"}


def test_tables_layer_holds_arrow_and_nothing_that_the_core_layer_has(shipped: Path) -> None:
    packages = _packages(shipped / "TablesLayer")

    assert "arro3" in packages
    assert not packages & _packages(shipped / "CoreLayer")


def test_a_deployment_can_choose_tflite_runtime(with_tflite_runtime: Path) -> None:
    packages = _packages(with_tflite_runtime / "NumericLayer")

    assert {"numpy", "PIL", "tflite_runtime"} <= packages
    assert "ai_edge_litert" not in packages


def test_tokenizers_ship_without_the_client_that_downloads_for_them(shipped: Path) -> None:
    packages = _packages(shipped / "NumericLayer")

    assert "tokenizers" in packages
    assert not packages & {"huggingface_hub", "hf_xet", "httpx2", "fsspec", "tqdm"}


def test_no_tests_of_ours_are_shipped(shipped: Path) -> None:
    ours = [shipped / "CoreLayer" / "python" / "lambent", *(shipped / name for name in FUNCTIONS)]

    extra = [path for folder in ours for path in folder.rglob("*") if path.name in ("tests", "test")]

    assert extra == []
