"""Several labels an item, from a stranger's file to the gate: measured label by label, on data that names them all."""

from __future__ import annotations

import json
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
LABELS, ITEMS, WIDTH = ("urgent", "invoice", "complaint"), 600, 8


def lambent(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.stderr)
    return done.output


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a model of three labels, one that does not know its last, and data in two forms."""
    folder, random = tmp_path_factory.mktemp("tags"), np.random.default_rng(23)
    inputs = random.standard_normal((ITEMS, WIDTH)).astype(np.float32)
    kernel, bias = 2 * random.standard_normal((WIDTH, 3)), np.array([0.0, -2.0, -4.0])
    truths = random.random((ITEMS, 3)) < 1 / (1 + np.exp(-(inputs @ kernel + bias)))
    with quiet():
        import keras

        for name, known in (("tags", (1, 1, 1)), ("ignorant", (1, 1, 0))):
            given = keras.Input((WIDTH,), name="embedding")
            scores = keras.layers.Dense(3, activation="sigmoid", name="tags")
            model = keras.Model(given, scores(given))
            scores.set_weights([kernel * known, bias])
            model.save(folder / f"{name}.keras")
    np.savez(folder / "tags.npz", embedding=inputs, labels=truths)
    rows = [
        {"inputs": {"embedding": item.tolist()}, "labels": [LABELS[each] for each in np.flatnonzero(truth)]}
        for item, truth in zip(inputs, truths, strict=True)
    ]
    (folder / "tags.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def evaluated(files: Path, model: str, data: str, folder: Path) -> tuple[Report, str]:
    source, contract = files / f"{model}.keras", folder / "contract.json"
    lambent("contract", "init", source, "--name", "tags", "--labels", ",".join(LABELS), "--out", contract)
    lambent("import", source, "--contract", contract, "--out", folder / "made")
    lambent("quantize", folder / "made", "--data", files / data)
    shown = lambent("evaluate", folder / "made", "--data", files / data)
    return decode_report((folder / "made" / "report.json").read_bytes(), of=model), shown


def test_each_label_is_measured_and_the_version_passes_the_gate(files: Path, tmp_path: Path) -> None:
    report, shown = evaluated(files, "tags", "tags.npz", tmp_path)

    found = report.several_labels
    assert report.unmeasured is None
    assert report.classification is None
    assert [each.label for each in found.labels] == list(LABELS)
    assert sum(each.items for each in found.labels) > 0
    assert all(each.average_precision.value > 3 * each.prevalence for each in found.labels[2:])
    assert report.variants[report.reference].mean_average_precision == pytest.approx(
        found.mean_average_precision.value, abs=0.02
    )
    assert all(each.is_beaten for each in report.baselines)
    assert report.findings == []
    page = (tmp_path / "made" / "report.html").read_text()
    for told in ("mean average precision (mAP)", "Average precision by label", "complaint", "micro F1"):
        assert told in page
        assert told in " ".join(shown.split()) or told == "Average precision by label"
    assert "mAP" in (tmp_path / "made" / "card.md").read_text()
    assert open_gate(check_artifact(Artifact.read(tmp_path / "made")), is_forced=False) == ()


def test_a_label_that_the_model_does_not_know_stops_the_gate(files: Path, tmp_path: Path) -> None:
    report, shown = evaluated(files, "ignorant", "tags.jsonl", tmp_path)

    truths = next(each for each in report.several_labels.labels if each.label == "complaint")
    assert truths.average_precision.value == pytest.approx(truths.prevalence)
    assert [each.code for each in report.findings] == ["constant_labels"]
    assert "the same score for complaint" in " ".join(shown.split())
    with pytest.raises(GateClosed, match="constant_labels"):
        open_gate(check_artifact(Artifact.read(tmp_path / "made")), is_forced=False)
