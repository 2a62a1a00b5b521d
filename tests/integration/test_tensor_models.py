"""Models that take tensors, from a stranger's file to an answer: several inputs, series, a fixed batch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner, Result

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import ModelContract
from lambent.contracts.tensor import DATATYPE_BY_DTYPE
from lambent.services.version_files import decode_contract
from lambent_toolkit.cli.main import app
from lambent_toolkit.sandbox import LocalStack
from patience import PATIENCE_S

pytestmark = [FOREIGN_WARNINGS]
KINDS = Path(__file__).parents[1] / "fixtures" / "kinds"
RNG = np.random.default_rng(11)
# name → file, options of `contract init`, and inputs to send
MODELS: dict[str, tuple[str, list[str], dict[str, np.ndarray]]] = {
    "two-inputs": (
        "pair.tflite",
        [],
        {"a": RNG.standard_normal((3, 2)).astype(np.float32), "b": RNG.integers(0, 9, (3, 2)).astype(np.int32)},
    ),
    "free-series": ("length.tflite", [], {"ids": np.array([[1, 2, 3, 0, 7], [4, 4, 0, 1, 6]], np.int32)}),
    "fixed-batch": ("fixed.tflite", [], {"x": RNG.standard_normal((2, 3)).astype(np.float32)}),
    "fixed-labels": (
        "fixed.tflite",
        ["--labels", "low,middle,high"],
        {"x": RNG.standard_normal((2, 3)).astype(np.float32)},
    ),
}


def lambent(*arguments: str | Path, status: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == status, (done.output, done.stderr)
    return done


def published(stack: LocalStack, folder: Path, *options: str) -> str:
    """Publish a folder; return the version's number."""
    told = lambent("publish", folder, "--state", Path(stack.info.logs).parent, *options)
    found = re.search(r"published [\w-]+@(\d+)", told.output)
    assert found is not None, told.output
    return found[1]


def infer(stack: LocalStack, name: str, version: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    tensors = [
        {"name": key, "shape": each.shape, "datatype": DATATYPE_BY_DTYPE[each.dtype], "data": each.ravel().tolist()}
        for key, each in inputs.items()
    ]
    answer = httpx.post(
        f"{stack.info.url}/v2/models/{name}/versions/{version}/infer",
        content=json.dumps({"inputs": tensors}),
        headers={"x-api-key": stack.info.api_key},
        timeout=PATIENCE_S,
    )
    assert answer.status_code == 200, answer.text
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in answer.json()["outputs"]}


def contract_of(folder: Path) -> ModelContract:
    return decode_contract((folder / "contract.json").read_bytes())


def assert_served_as_the_file_answers(stack: LocalStack, folder: Path, version: str, inputs: dict[str, Any]) -> None:
    declared = contract_of(folder)
    expected = LiteInterpreterLoader().load(folder / "model.tflite", declared).run(inputs)
    got = infer(stack, declared.name, version, inputs)
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(got[name], array, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_tflite_file_of_tensors_is_published_by_force_and_answers_as_the_file_itself(
    stack: LocalStack, tmp_path: Path, name: str
) -> None:
    file, options, inputs = MODELS[name]
    folder, contract = tmp_path / "out", tmp_path / "contract.json"

    lambent("contract", "init", KINDS / file, "--name", name, "--out", contract, *options)
    lambent("import", KINDS / file, "--contract", contract, "--out", folder)
    refused = lambent("publish", folder, "--state", Path(stack.info.logs).parent, status=31)
    version = published(stack, folder, "--force", "--why", "no data yet")

    assert "never evaluated" in refused.stderr
    assert "serving:" not in refused.stderr
    assert "golden:" not in refused.stderr
    assert_served_as_the_file_answers(stack, folder, version, inputs)
