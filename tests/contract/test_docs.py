"""The documents name what there is, and hold what they promise to hold."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from lambent.runtime import settings
from lambent_toolkit.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
VERBS = (ROOT / "layers/toolkit/lambent_toolkit/cli/README.md").read_text()
SETTINGS = [kind for name, kind in vars(settings).items() if name.endswith("Settings") and name != "_Settings"]
TOP_LEVEL = {"functions", "layers", "events", "tests"}


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("verb", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_every_cli_verb_is_in_the_table_of_verbs(verb: str) -> None:
    assert re.search(rf"^\| .*`(?:lambent )?{verb}\b", VERBS, re.MULTILINE)


@pytest.mark.parametrize(
    "variable", sorted({field.encode_name for kind in SETTINGS for field in msgspec.structs.fields(kind)})
)
def test_every_setting_is_explained(variable: str) -> None:
    assert f"`{variable}`" in (ROOT / "functions/README.md").read_text()


@pytest.mark.parametrize("document", ["README.md", "functions/README.md", "layers/README.md", "events/README.md"])
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_files_that_the_readme_names_exist() -> None:
    named = re.findall(r"(?:functions|layers|events|tests)/[\w/.-]+\.\w+", README)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_there_is_no_further_visible_folder_at_the_top() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}

    assert folders == TOP_LEVEL


def test_no_package_registry_stands_in_a_lock() -> None:
    locks = [
        *ROOT.glob("requirements*.txt"),
        *ROOT.glob("layers/**/*requirements.txt"),
        *ROOT.glob("functions/**/*.txt"),
        *ROOT.glob("tests/**/requirements.txt"),
    ]

    assert len(locks) >= 7
    assert [lock.name for lock in locks if re.search(r"index-url|https?://", lock.read_text())] == []


def test_the_worker_runs_what_the_development_environment_tests() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", path.read_text(), re.MULTILINE))

    tested = pins(ROOT / "requirements-dev.txt")

    for lock in (ROOT / "functions/batch_worker/requirements.txt", ROOT / "layers/core/requirements.txt"):
        # CUDA, which nothing tests without a GPU, is held to TensorFlow's own word in test_cuda_of_the_worker.py.
        ours = {name: pin for name, pin in pins(lock).items() if not name.startswith("nvidia-")}
        assert {name: pin for name, pin in ours.items() if tested.get(name) != pin} == {}
    on_gpu = pins(ROOT / "functions/batch_worker/requirements-jax.txt")
    assert {name for name, pin in on_gpu.items() if tested.get(name, pin) != pin} == set()
    assert {"jax", "jaxlib", "keras", "pillow"} <= on_gpu.keys() & tested.keys()


@pytest.mark.parametrize(
    ("backend", "lock_file"), [("tensorflow", "requirements.txt"), ("jax", "requirements-jax.txt")]
)
def test_everything_that_the_worker_imports_is_in_its_lock(backend: str, lock_file: str) -> None:
    # In a process that sees the locked distributions only, as the container does.
    program = """
import sys
from importlib import metadata
from importlib.abc import MetaPathFinder
allowed = {line.split("==")[0].lower().replace("_", "-") for line in open(sys.argv[1]) if "==" in line}
owners = metadata.packages_distributions()
class Locked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        names = {owner.lower().replace("_", "-") for owner in owners.get(top, [])}
        if names and not names & (allowed | {"lambent", "pip", "setuptools"}):
            raise ModuleNotFoundError(f"{name} is not in the worker's lock")
sys.meta_path.insert(0, Locked())
sys.path.insert(0, "functions/batch_worker")
import main
from lambent.runtime.settings import WorkerSettings
from lambent.runtime.wiring import check_worker, worker_shards
names = {"table_name": "t", "models_bucket": "m", "data_bucket": "d", "keras_backend": sys.argv[2]}
# A pinned key, so that what verifies signatures is imported too: the curve's base point.
names["model_public_keys"] = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfY"
    "Et6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
)
settings = WorkerSettings(worker_batch_size=1, checkpoint_items=1, worker_needs_gpu=False, worker_stall_s=1, **names)
check_worker(settings)
worker_shards(settings)
import lambent.adapters.keras_model  # with the first model
from lambent.adapters.keras_backends import has_gpu
has_gpu()
"""
    lock = str(ROOT / "functions/batch_worker" / lock_file)

    done = subprocess.run(
        [sys.executable, "-c", program, lock, backend],
        cwd=ROOT,
        env={"AWS_DEFAULT_REGION": "eu-west-1", "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
