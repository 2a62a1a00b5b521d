"""Who may import whom."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from builders import LANE_VARIABLES

ROOT = Path(__file__).parents[2]
CORE = ROOT / "layers/core/lambent"
# What each part of the core may import of the core, besides itself and errors.
ALLOWED = {
    "contracts": set(),
    "domain": {"contracts"},
    "services": {"contracts", "domain", "ports"},
    "adapters": {"contracts", "domain", "ports"},
    "runtime": {"contracts", "domain", "ports", "services", "adapters"},
}
AWS_AND_INTERPRETERS = {
    "boto3",
    "botocore",
    "ai_edge_litert",
    "tflite_runtime",
    "tensorflow",
    "keras",
    "h5py",
    "cryptography",
    "urllib3",
}
WITHOUT_NUMPY = ["jobs", "dispatch", "job_events", "notify", "sweep"]


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


LAYERED = [path for layer in ALLOWED for path in python_files(CORE / layer)]
SHIPPED = [*python_files(CORE), *python_files(ROOT / "functions")]


@pytest.mark.parametrize("path", LAYERED, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(CORE).parts[0]
    used = {name.split(".")[1] for name in imports(path) if name.startswith("lambent.")}

    assert used <= ALLOWED[layer] | {layer, "errors", "__version__"}


def test_errors_import_nothing_of_ours_and_ports_only_types() -> None:
    assert not [name for name in imports(CORE / "errors.py") if name.startswith("lambent")]
    used = {name.split(".")[1] for name in imports(CORE / "ports.py") if name.startswith("lambent.")}
    assert used <= {"contracts", "domain", "errors"}


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.parent != CORE / "adapters"], ids=name)
def test_only_adapters_touch_aws_and_interpreters(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & AWS_AND_INTERPRETERS


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.name != "settings.py"], ids=name)
def test_only_settings_read_the_environment(path: Path) -> None:
    text = path.read_text()

    assert "getenv" not in text
    # keras_model.py sets a variable for TensorFlow before importing it; it reads none.
    assert "os.environ" not in text.replace("os.environ.setdefault", "")


def test_functions_never_import_the_toolkit_and_neither_does_the_core() -> None:
    for path in SHIPPED:
        assert not [used for used in imports(path) if used.startswith("lambent_toolkit")], path


@pytest.mark.parametrize("function", WITHOUT_NUMPY)
def test_functions_without_the_numeric_layer_never_import_numpy(function: str) -> None:
    # Building the services imports all that the function will ever use.
    program = f"""
import sys
sys.modules["numpy"] = sys.modules["PIL"] = sys.modules["ai_edge_litert"] = None
sys.path.insert(0, "functions/{function}")
import app
from lambent.runtime import wiring, wiring_dead_letters, wiring_jobs, wiring_notify
modules = (wiring, wiring_dead_letters, wiring_jobs, wiring_notify)
for make in {WIRING[function]!r}:
    next(getattr(module, make) for module in modules if hasattr(module, make))()
"""

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


WIRING = {
    "jobs": [
        "identify_service",
        "submit_service",
        "list_jobs_service",
        "show_job_service",
        "show_parts_service",
        "show_errors_service",
        "show_result_service",
        "grant_upload_service",
        "grant_input_service",
        "show_upload_service",
        "show_version_service",
        "webhook_secret_service",
    ],
    "dispatch": ["dispatch_service", "batch_dead_letters"],
    "job_events": ["track_service", "note_block_service"],
    "notify": ["deliver_webhook_service", "notify_queue", "notify_dead_letters"],
    "sweep": ["sweep_service", "dead_letter_reader"],
}
ENVIRONMENT = {
    **LANE_VARIABLES,
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_SERVICE_NAME": "lambent",
    **dict.fromkeys(
        [
            "TABLE_NAME", "DATA_BUCKET", "MODELS_BUCKET", "BATCH_QUEUE_URL", "INFER_QUEUE_URL", "JOB_TOPIC_ARN",
            "BATCH_DEAD_LETTER_QUEUE_URL", "BATCH_JOB_DEFINITION", "API_KEY_ID", "DEFAULT_TENANT",
            "NOTIFY_QUEUE_URL", "NOTIFY_DEAD_LETTER_QUEUE_URL", "WEBHOOK_TRUSTED_HOSTS",
            "UPLOAD_DEAD_LETTER_QUEUE_URL", "INFER_DEAD_LETTER_QUEUE_URL", "JOB_EVENTS_DEAD_LETTER_QUEUE_URL",
        ],
        "x",
    ),
    # The curve's base point: what verifies signatures is imported too.
    "MODEL_PUBLIC_KEYS": (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfY"
        "Et6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
    ),
    **dict.fromkeys(
        [
            "JOB_RETENTION_DAYS", "JOB_STUCK_AFTER_S", "MAX_UPLOAD_BYTES", "MAX_ANSWER_BYTES", "MAX_RECEIVE_COUNT",
            "RECORD_LIMIT_S",
        ],
        "1",
    ),
}  # fmt: skip


def test_handlers_stay_thin() -> None:
    for path in (ROOT / "functions").glob("*/app.py"):
        assert len(path.read_text().splitlines()) <= 70, path


def test_the_core_layer_keeps_the_sdks_descriptions_of_the_services_that_its_code_calls() -> None:
    (kept,) = re.findall(r"^botocore/data/!\(([^)]*)\)", (ROOT / "layers/core/prune.txt").read_text(), re.MULTILINE)
    sources = [path.read_text() for path in (ROOT / "layers/core/lambent").rglob("*.py")]

    called = {name for text in sources for name in re.findall(r"""\bclient\("(\w+)"\)""", text)}

    assert called == set(kept.split("|")) - {"*.json"}
