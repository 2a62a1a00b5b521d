"""The jobs of `--remote`: what their image holds, what their container is told, and what people's code may reach."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from template_expanded import ROOT, WITH_GPU, expand, read_source

from lambent.runtime.settings import TrainingSettings, load_settings
from lambent_toolkit.modelkit import serving_process
from lambent_toolkit.remote.job import EXIT_AGAIN, EXIT_FAILED, EXIT_FAULT
from lambent_toolkit.sandbox.batch_api import override
from lambent_toolkit.sandbox.batch_job import RetryStrategy, substitute
from lambent_toolkit.sandbox.worker_image import read_dockerfile

TOOLKIT = ROOT / "layers/toolkit/lambent_toolkit"
DEFINITION = expand(read_source(), WITH_GPU).of_type("Batch::JobDefinition")["TrainingJobDefinition"]
IMAGE = read_dockerfile((ROOT / "functions/batch_worker/Dockerfile").read_text())
# `lambent quantize` alone looks into the interpreter in the process itself.
OF_OTHER_STEPS = {"ai-edge-litert"}


def test_container_is_told_what_the_program_reads_and_nothing_else() -> None:
    told = {each["Name"]: str(each["Value"]) for each in DEFINITION["ContainerProperties"]["Environment"]}

    fields = {field.encode_name for field in msgspec.structs.fields(TrainingSettings)}
    assert told.keys() - {"AWS_DEFAULT_REGION"} == fields
    load_settings(TrainingSettings, told)


def test_command_names_the_program_s_task_and_the_run() -> None:
    parameters = {"task": "train", "tenant": "t", "run": "r", "bundle": "b"}

    assert DEFINITION["Parameters"].keys() == parameters.keys()
    command = override(DEFINITION["ContainerProperties"], {})["Command"]
    assert [substitute(word, parameters) for word in command] == [
        *("train", "--tenant", "t", "--run", "r", "--bundle", "b")
    ]


def test_the_program_is_the_first_of_its_container_and_no_roots() -> None:
    container = DEFINITION["ContainerProperties"]

    # Another first process would be told the container's credentials too, and show them to its children.
    assert "LinuxParameters" not in container
    assert not container.get("Privileged")
    assert container["User"] != "0:0"
    assert IMAGE.entrypoint == ("python", "main.py")


def test_retry_strategy_understands_the_program_s_exit_codes() -> None:
    found = DEFINITION["RetryStrategy"]
    rules = [{key[0].lower() + key[1:]: value for key, value in rule.items()} for rule in found["EvaluateOnExit"]]
    strategy = RetryStrategy.read({"attempts": found["Attempts"], "evaluateOnExit": rules})

    def is_retried(code: int | None, *, reason: str = "", status: str = "Essential container in task exited") -> bool:
        return strategy.should_retry(1, code, reason, status)

    assert is_retried(EXIT_AGAIN)
    assert all(is_retried(128 + signal) for signal in (6, 9, 11, 15))
    assert is_retried(None, status="Host EC2 (instance i-0) terminated.")
    assert not is_retried(EXIT_FAILED)
    assert not is_retried(EXIT_FAULT)
    assert not is_retried(137, reason="OutOfMemoryError: Container killed due to memory usage")
    assert not is_retried(None, reason="CannotPullContainerError: not found", status="Task failed to start")


def test_image_holds_the_program_and_what_lambda_serves_with() -> None:
    copied = {source: str(target) for source, target, _ in IMAGE.copies}

    assert copied["layers/toolkit/lambent_toolkit"] == "/app/lambent_toolkit"
    assert copied["layers/core/lambent"] == "/app/lambent"
    assert IMAGE.environment[serving_process.LAYERS_VARIABLE] == "/opt/serving/python:/app"
    assert {source for source in copied if source.endswith(".txt") and source.startswith("layers/")} == {
        "layers/core/requirements.txt",
        "layers/numeric/litert/requirements.txt",
    }


def test_everything_that_its_steps_import_is_in_the_image_s_lock() -> None:
    lock = (ROOT / "functions/batch_worker/requirements.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)) | OF_OTHER_STEPS
    owners = metadata.packages_distributions()
    files = [path for part in ("remote", "modelkit", "reporting") for path in (TOOLKIT / part).rglob("*.py")]

    missing = {
        f"{path.relative_to(TOOLKIT)}: {name}"
        for path in files
        for name in _foreign(path)
        if not {owner.lower().replace("_", "-") for owner in owners.get(name, [])} & locked
    }

    assert files
    assert missing == set()


def _foreign(path: Path) -> Iterator[str]:
    own: set[Any] = {*sys.stdlib_module_names, "lambent", "lambent_toolkit"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ({alias.name.split(".")[0] for alias in node.names} - own)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ({node.module.split(".")[0]} - own)
