"""The README's commands do what it says, on a stack of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lambent_toolkit.modelkit.demo_model import publish_demo_model
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.sandbox import LocalStack

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def block(heading: str, language: str) -> str:
    """Return the first code block of a language under a heading."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like a checkout in which a stack with the demo model runs."""
    folder = tmp_path_factory.mktemp("readme")
    for name in (".venv", "events"):
        (folder / name).symlink_to(ROOT / name)
    recipe = ROOT / "layers/toolkit/lambent_toolkit/modelkit/recipes/digits.py"
    (folder / "my_recipe.py").write_text(recipe.read_text())
    unseen = held_out(RECIPES["digits"])
    for number, (picture, target) in enumerate(zip(unseen.items, unseen.targets, strict=True)):
        place = folder / "photos" / f"digit {target}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _stack(folder: Path):
    with LocalStack(folder / ".lambent") as stack:
        publish_demo_model(stack.info)
        yield


def run(folder: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def json_values(said: str) -> list[Any]:
    """Return the JSON objects that several commands printed, with or without headers and without a line between."""
    values, at = [], said.find("{")
    while at >= 0:
        value, end = json.JSONDecoder().raw_decode(said, at)
        values.append(value)
        at = said.find("{", end)
    return values


def test_the_http_lines_get_their_answers(folder: Path) -> None:
    said = run(folder, "bash", "-euc", block("The three doors", "bash"))

    media, infer, tfs, later = json_values(said)
    assert re.findall(r"HTTP/1.1 (\d+)", said) == ["200", "202"]
    assert media["predictions"][0]["label"] == "7"
    assert infer["model_name"] == "digits"
    assert max(range(10), key=tfs["predictions"][0].__getitem__) == 7
    assert (later["kind"], later["model"]) == ("call", "digits")


def test_the_upload_and_queue_lines_print_their_results(folder: Path) -> None:
    said = run(folder, ".venv/bin/python", "-c", block("The three doors", "python"))

    upload, item = (json.loads(line) for line in said.split("\n") if line)
    assert (upload["source"], upload["label"], upload["model"]) == ("seven.png", "7", "digits")
    assert (item["id"], item["label"]) == ("a", "7")
    assert re.fullmatch(r"digits@\d", item["model"])


def test_the_batch_lines_quote_run_read_and_retry(folder: Path) -> None:
    said = run(folder, "bash", "-euc", block("Batches", "bash"))

    assert "CPU (Lambda)" in said
    result, error = (value for value in json_values(said) if value.get("id", "").startswith("seven"))
    assert (result["id"], result["label"]) == ("seven.png", "7")
    assert error["id"] == "seven.infer.json"
    assert "seven.infer.json" in said.split("image_format_unsupported")[0]
    assert "scans-retry" in said


def test_a_model_of_ones_own_becomes_version_2_and_live(folder: Path) -> None:
    said = run(folder, "bash", "-euc", block("From data to a version", "bash"))

    assert "flowers@1: 360 pictures of 10 classes" in said
    assert "model.tflite is int8, as named" in said
    assert re.search(r"second - first +difference", said)
    stack = json.loads((folder / ".lambent/stack.json").read_text())
    answer = run(folder, "curl", "-s", f"{stack['url']}/models/digits", "-H", f"x-api-key: {stack['api_key']}")
    shown = json.loads(answer)
    assert (shown["versions"], shown["labels"], shown["canaries"]) == (["1", "2"], {"live": "2"}, {})
