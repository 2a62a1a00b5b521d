"""Forecasts of a series, from a stranger's file to the gate: held against the past that their items hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import GateClosed
from lambent_toolkit.modelkit.gate import check_artifact, open_gate
from lambent_toolkit.modelkit.report import Report, decode_report
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

pytestmark = [FOREIGN_WARNINGS]
STEPS, SEASON, HOURS = 36, 12, 700


def lambent(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.stderr)
    return done.output


def loads() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return windows (n, steps, 1) of a seasonal series, what follows each, and their parts in the order of time."""
    random = np.random.default_rng(21)
    hours = np.arange(HOURS)
    series = np.sin(2 * np.pi * hours / SEASON) + 0.1 * np.cumsum(random.normal(0, 0.3, HOURS))
    series += random.normal(0, 0.2, HOURS)
    windows = np.lib.stride_tricks.sliding_window_view(series, STEPS)[:-1, :, None].astype(np.float32)
    parts = ["train"] * 400 + ["validation"] * 60 + ["test"] * (len(windows) - 460)
    return windows, series[STEPS:].astype(np.float32), parts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a linear forecast fitted on the training part, one that repeats, and data in two forms."""
    folder = tmp_path_factory.mktemp("series")
    windows, targets, parts = loads()
    fitted = np.linalg.lstsq(windows[:400, :, 0], targets[:400], rcond=None)[0]
    repeated = np.zeros(STEPS)
    repeated[-1] = 1
    with quiet():
        import keras

        for name, kernel in (("fitted", fitted), ("repeating", repeated)):
            given = keras.Input((STEPS, 1), name="load")
            answer = keras.layers.Dense(1, name="next", use_bias=False)
            model = keras.Model(given, answer(keras.layers.Flatten()(given)))
            answer.set_weights([kernel[:, None]])
            model.save(folder / f"{name}.keras")
    np.savez(folder / "load.npz", load=windows, targets=targets, split=np.array(parts))
    rows = [
        {"inputs": {"load": window.tolist()}, "target": float(target), "split": part}
        for window, target, part in zip(windows, targets, parts, strict=True)
    ]
    (folder / "load.jsonl").write_text("\n".join(map(json.dumps, rows)))
    np.savez(folder / "unordered.npz", load=windows, targets=targets)
    return folder


def evaluated(files: Path, model: str, data: str, folder: Path, *options: str) -> tuple[Report, str]:
    drafted = lambent(
        "contract", "init", files / f"{model}.keras", "--name", "load", "--out", folder / "contract.json", *options
    )
    assert ("taken to continue load" in drafted) == ("--season" in options)
    lambent("import", files / f"{model}.keras", "--contract", folder / "contract.json", "--out", folder / "made")
    lambent("quantize", folder / "made", "--data", files / data, "--variant", "float32")
    shown = lambent("evaluate", folder / "made", "--data", files / data)
    return decode_report((folder / "made" / "report.json").read_bytes(), of=model), shown


def test_a_forecast_is_held_against_the_last_value_and_the_last_season(files: Path, tmp_path: Path) -> None:
    report, shown = evaluated(files, "fitted", "load.npz", tmp_path, "--season", str(SEASON))

    windows, targets, parts = loads()
    test = np.array(parts) == "test"
    errors = {
        (each.name.partition(" (")[0], each.metric): (each.value, each.is_beaten)
        for each in report.baselines
        if each.is_forecast
    }
    assert errors["naive forecast", "mae"][0] == pytest.approx(np.abs(windows[test, -1, 0] - targets[test]).mean())
    assert errors["seasonal naive forecast", "mae"] == (
        pytest.approx(np.abs(windows[test, -SEASON, 0] - targets[test]).mean()),
        True,
    )
    assert report.findings == []
    assert report.warnings == []
    assert report.regression.mase.high < 1
    assert "nearest training item" in report.left_out
    page = (tmp_path / "made" / "report.html").read_text()
    for told in ("MASE", "seasonal naive forecast", "Not held against: nearest training item"):
        assert told in page
    assert "MASE" in shown
    assert open_gate(check_artifact(Artifact.read(tmp_path / "made")), is_forced=False) == ()


def test_a_forecast_that_repeats_the_last_value_is_stopped_though_nothing_was_declared(
    files: Path, tmp_path: Path
) -> None:
    report, shown = evaluated(files, "repeating", "load.jsonl", tmp_path)

    assert [each.code for each in report.findings] == ["no_better_than_guessing"]
    assert report.baselines[0].is_beaten
    assert "the naive forecast (the last known value) has" in " ".join(shown.split())
    assert re.search(r"Not held against: seasonal naive forecast: declare .* --season", " ".join(shown.split()))
    with pytest.raises(GateClosed, match=r"sense: .*no_better_than_guessing"):
        open_gate(check_artifact(Artifact.read(tmp_path / "made")), is_forced=False)


def test_a_series_that_is_split_by_chance_is_told_to_know_the_future(files: Path, tmp_path: Path) -> None:
    report, shown = evaluated(files, "fitted", "unordered.npz", tmp_path)

    assert any("Split the data in the order of time" in each for each in report.warnings)
    assert "in the order of time" in " ".join(shown.split())
