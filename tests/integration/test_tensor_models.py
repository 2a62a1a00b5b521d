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
from lambent_toolkit.modelkit.quantization_limit import Limit
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.report import decode_report
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.workbench import Workbench
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


def series(items: int) -> np.ndarray:
    """Return (items, 6, 2) numbers, the same in every test."""
    return np.random.default_rng(12).standard_normal((items, 6, 2))


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


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a classifier of a series and a number, a forecast, and data for both."""
    folder = tmp_path_factory.mktemp("tensors")
    rng = np.random.default_rng(3)
    series = rng.standard_normal((80, 6, 2)).astype(np.float32)
    level = rng.standard_normal((80, 1)).astype(np.float32)
    with quiet():
        import keras

        keras.utils.set_random_seed(3)
        one = keras.Input((6, 2), name="series")
        two = keras.Input((1,), name="level")
        flat = keras.layers.Flatten()(keras.layers.Conv1D(3, 3, activation="relu")(one))
        both = keras.layers.Concatenate()([flat, two])
        classes = keras.Model([one, two], keras.layers.Dense(2, activation="softmax", name="scores")(both))
        number = keras.Model(one, keras.layers.Dense(1, name="next")(flat))
        classes.save(folder / "classes.keras")
        number.export(folder / "forecast", verbose=False)
        scores = classes.predict([series, level], verbose=0)
        values = number.predict(series, verbose=0)
    np.savez(folder / "classes.npz", series=series, level=level, labels=np.array(["down", "up"])[scores.argmax(axis=1)])
    rows = [
        {"inputs": {"series": each.tolist()}, "target": float(value[0])}
        for each, value in zip(series, values, strict=True)
    ]
    (folder / "forecast.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_a_keras_model_of_two_inputs_goes_through_every_step_on_its_own_tensors(
    stack: LocalStack, keras_files: Path, tmp_path: Path
) -> None:
    source, folder, contract = keras_files / "classes.keras", tmp_path / "out", tmp_path / "contract.json"

    lambent("contract", "init", source, "--name", "two-sided", "--labels", "down,up", "--out", contract)
    lambent("import", source, "--contract", contract, "--out", folder)
    data = str(keras_files / "classes.npz")
    Workbench(folder).quantize(Wish("int8", Limit.parse("100pt"), measured=()), data=data)
    lambent("evaluate", folder, "--data", data)
    report = decode_report((folder / "report.json").read_bytes(), of="two-sided")
    version = published(stack, folder, "--force", "--why", "an untrained model")

    assert (report.task, report.data.test_items) == ("classification", 16)
    assert report.variants["keras"].accuracy == 1.0
    inputs = {"series": series(3).astype(np.float32), "level": np.ones((3, 1), np.float32)}
    assert_served_as_the_file_answers(stack, folder, version, inputs)


def test_a_saved_model_of_a_series_is_measured_on_json_lines(
    stack: LocalStack, keras_files: Path, tmp_path: Path
) -> None:
    source, folder, contract = keras_files / "forecast", tmp_path / "out", tmp_path / "contract.json"
    data = keras_files / "forecast.jsonl"

    lambent("contract", "init", source, "--name", "forecast", "--out", contract)
    lambent("import", source, "--contract", contract, "--out", folder)
    unmeasured = published(stack, folder, "--force", "--why", "no data yet")
    Workbench(folder).quantize(Wish("float32", Limit.parse("100%"), measured=()), data=str(data))
    lambent("evaluate", folder, "--data", data)
    report = decode_report((folder / "report.json").read_bytes(), of="forecast")

    assert report.task == "regression"
    assert report.variants["float32"].rmse < 1e-5
    inputs = {"series": series(2).astype(np.float32)}
    assert_served_as_the_file_answers(stack, folder, unmeasured, inputs)
