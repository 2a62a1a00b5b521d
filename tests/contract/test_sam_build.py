"""SAM takes the template as it is, builds it without Docker, and what it builds is small, compiled and complete."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from made_packages import make_packages
from shipped_libraries import findings
from template_build_rules import RUN_ON_LAMBDA
from template_expanded import ROOT, read_source

from lambent_toolkit.sandbox.build import make_build
from lambent_toolkit.sandbox.function_spec import base_interpreter
from lambent_toolkit.sandbox.options import PYTHON_VERSION, StackOptions
from pythons import does_run

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
    if not does_run("python3.11"):
        pytest.skip("tflite-runtime ships with python3.11 only, which this machine lacks")
    return _build(tmp_path_factory, PythonVersion="python3.11", Interpreter="tflite-runtime")


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
    done = _make_core(tmp_path, python="python-missing")

    assert done.returncode != 0
    assert f"Lambent's layers for {PYTHON_VERSION} need python-missing on the PATH to build" in done.stderr


def test_a_python_that_is_there_and_does_not_run_is_refused_like_one_that_is_missing(tmp_path: Path) -> None:
    shim = tmp_path / "shim"
    shim.write_text("#!/bin/sh\necho 'shim: command not found' >&2; exit 127\n")
    shim.chmod(0o755)

    done = _make_core(tmp_path, python=str(shim))

    assert done.returncode != 0
    assert f"need {shim} on the PATH to build, and one that runs" in done.stderr
    assert "PythonVersion" in done.stderr


def test_another_python_would_make_useless_bytecode_and_is_refused(tmp_path: Path) -> None:
    newer = tmp_path / "python"
    pretend = 'import sys; sys.version_info = (3, 13, 1); sys.version = "3.13.1 (main)"; exec(sys.argv[2])'
    newer.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{pretend}' \"$@\"\n")
    newer.chmod(0o755)

    done = _make_core(tmp_path, python=str(newer))

    assert done.returncode != 0
    assert f"layers for {PYTHON_VERSION} need it to build, since bytecode of 3.13.1 is none for it" in done.stderr


def _make_core(artifacts: Path, *, python: str) -> subprocess.CompletedProcess[str]:
    makefile = f"{PYTHON_VERSION}-x86_64/Makefile"
    command = ["make", "--makefile", makefile, "build-CoreLayer", f"PYTHON={python}"]
    environment = {**os.environ, "ARTIFACTS_DIR": str(artifacts)}
    return subprocess.run(
        command, cwd=ROOT / "layers/core", env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.parent.relative_to(ROOT / "layers")))
def test_each_makefile_says_what_its_folder_s_name_says(recipe: Path) -> None:
    source = read_source()["Parameters"]
    targets = {
        f"{python}-{architecture}": (f"TARGET := {python}", f"ARCHITECTURE := {architecture}")
        for python in source["PythonVersion"]["AllowedValues"]
        for architecture in source["Architecture"]["AllowedValues"]
    }

    said = {path.parent.name: path.read_text().splitlines() for path in recipe.parent.glob("*/Makefile")}

    assert {name: tuple(lines[:2]) for name, lines in said.items()} == targets
    assert {lines[-1] for lines in said.values()} == {"include layer.mk"}


def _is_built(python: str, architecture: str, interpreter: str) -> bool:
    folder = ROOT / "layers/numeric" / interpreter.replace("-", "_")
    # --dry-run runs nothing; what the recipe refuses, it refuses while it is read.
    command = ["make", "--dry-run", "--makefile", f"{python}-{architecture}/Makefile", "packages"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or ("PythonVersion=" in done.stderr or "Architecture=" in done.stderr)
    return done.returncode == 0


def test_the_build_refuses_the_combinations_that_the_template_refuses_with_what_to_choose() -> None:
    source = read_source()["Parameters"]
    choices = [source[name]["AllowedValues"] for name in ("PythonVersion", "Architecture", "Interpreter")]

    assert {each for each in product(*choices) if _is_built(*each)} == RUN_ON_LAMBDA


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_says_what_it_was_built_for(shipped: Path, layer: str) -> None:
    record = json.loads((shipped / layer / "built" / f"{layer}.json").read_text())

    interpreter = "litert" if layer == "NumericLayer" else ""
    said = {"layer": layer, "python": PYTHON_VERSION, "architecture": "x86_64", "interpreter": interpreter}
    assert record == said


SHIPPED = sorted(
    {
        (layer, python, architecture)
        for python, architecture, interpreter in RUN_ON_LAMBDA
        for layer in ("core", "tables", f"numeric/{interpreter.replace('-', '_')}")
    }
)


@pytest.mark.parametrize(("layer", "python", "architecture"), SHIPPED)
def test_no_shipped_library_needs_more_than_lambda_has(
    shipped: Path, layer: str, python: str, architecture: str
) -> None:
    of_build = {folder: shipped / name for name, folder in LAYERS.items()}
    is_of_build = (python, architecture) == (PYTHON_VERSION, "x86_64") and layer in of_build

    folder = of_build[layer] if is_of_build else make_packages(layer, python, architecture)

    assert findings(folder, python=python, architecture=architecture) == []


def test_the_guard_sees_that_wheels_for_arm64_and_python3_12_need_more_than_amazon_linux_2_has() -> None:
    found = findings(make_packages("numeric/litert", "python3.12", "arm64"), python="python3.11", architecture="arm64")

    assert found == [
        "python/PIL/_imagingmath.cpython-312-aarch64-linux-gnu.so: needs GLIBC_2.27",
        "python/ai_edge_litert/libLiteRtRuntimeCApi.so: needs GLIBC_2.30",
        "python/ai_edge_litert/libLiteRtRuntimeCApi.so: needs GLIBCXX_3.4.26",
        "python/ai_edge_litert/libpywrap_litert_common.so: needs GLIBC_2.29",
        "python/ai_edge_litert/libpywrap_litert_common.so: needs GLIBCXX_3.4.26",
        "python/pillow.libs/libsharpyuv-5dac68d0.so.0.1.2: needs GLIBC_2.27",
    ]


def test_the_guard_sees_what_the_rewrite_of_tflite_runtime_is_for() -> None:
    as_it_comes = make_packages("numeric/tflite_runtime", "python3.11", "x86_64", without=("rewrite_libm_versions.py",))

    found = findings(as_it_comes, python="python3.11", architecture="x86_64")

    assert found == ["python/tflite_runtime/_pywrap_tensorflow_interpreter_wrapper.so: needs GLIBC_2.29"]


def test_the_guard_sees_libraries_of_another_processor_and_libraries_that_are_missing(
    shipped: Path, tmp_path: Path
) -> None:
    shutil.copytree(shipped / "NumericLayer", tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "python" / "numpy.libs")

    found = findings(tmp_path, python="python3.12", architecture="arm64")

    assert "python/ai_edge_litert/libLiteRtRuntimeCApi.so: is for EM_X86_64, not for EM_AARCH64" in found
    assert [line for line in found if "which neither the layer nor Lambda has" in line and "openblas" in line]


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
