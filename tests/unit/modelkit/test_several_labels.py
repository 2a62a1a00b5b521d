"""Several labels an item: their data, the figures of each, and models of them that know nothing."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from builders import contract
from lambent.contracts.model import Classification, ModelContract, TensorPreprocessing, TensorSpec
from lambent_toolkit.modelkit.calibration import stratified_order
from lambent_toolkit.modelkit.data_source import split_for
from lambent_toolkit.modelkit.errors import DataUnfit, DataUnusable, SourceUnusable
from lambent_toolkit.modelkit.evaluating.bootstrap import ones
from lambent_toolkit.modelkit.evaluating.sense import Sense
from lambent_toolkit.modelkit.evaluating.several_labels import (
    chance_precisions,
    several_labels_figures,
    weighted_average_precision,
)
from lambent_toolkit.modelkit.evaluating.several_labels_sense import several_labels_sense
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split

LABELS = ("warm", "bright", "wet", "old")
COUNT = 40
RNG = np.random.default_rng(17)
INPUTS = RNG.standard_normal((COUNT, 3)).astype(np.float32)
TRUTHS = (INPUTS @ RNG.standard_normal((3, 4)) > 0.3).astype(np.int64)
NAMED = [[label for label, has in zip(LABELS, row, strict=True) if has] for row in TRUTHS]


def declared(activation: str = "none", labels: tuple[str, ...] = LABELS, **changes: object) -> ModelContract:
    return contract(
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, len(labels))),),
        preprocessing=TensorPreprocessing(),
        postprocessing=Classification(labels=labels, activation=activation, **changes),
    )


def lines(folder: Path, name: str, rows: list[dict[str, object]]) -> Path:
    (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return folder / name


def files(folder: Path) -> dict[str, Path]:
    """Write the same items in every form."""
    np.savez(folder / "labels.npz", x=INPUTS, labels=TRUTHS)
    np.savez(folder / "targets.npz", x=INPUTS, targets=TRUTHS.astype(np.float32))
    items = [each.tolist() for each in INPUTS]
    named = [{"x": item, "labels": labels} for item, labels in zip(items, NAMED, strict=True)]
    (folder / "rows.json").write_text(json.dumps(named))
    with duckdb.connect() as database:
        database.execute(f"COPY (FROM '{folder}/rows.json') TO '{folder}/named.parquet' (FORMAT parquet)")
    return {
        "labels": folder / "labels.npz",
        "targets": folder / "targets.npz",
        "named": lines(
            folder,
            "named.jsonl",
            [{"inputs": {"x": item}, "labels": labels} for item, labels in zip(items, NAMED, strict=True)],
        ),
        "numbers": lines(
            folder,
            "numbers.jsonl",
            [{"inputs": {"x": item}, "labels": row} for item, row in zip(items, TRUTHS.tolist(), strict=True)],
        ),
        "parquet": folder / "named.parquet",
    }


def test_the_same_items_in_every_form_have_the_same_labels(tmp_path: Path) -> None:
    splits = {name: split_for(Declaration(declared()), str(file)) for name, file in files(tmp_path).items()}

    assert len({each.sha256 for each in splits.values()}) == 1
    wanted = {row.tobytes(): truth.tolist() for row, truth in zip(INPUTS, TRUTHS, strict=True)}
    for part in (splits["named"].train, splits["named"].test):
        assert part.targets.dtype == np.int64
        assert [wanted[row.tobytes()] for row in part.tensors["x"]] == part.targets.tolist()
    assert [len(splits["labels"].train), len(splits["labels"].test)] == [26, 8]


def test_names_find_their_labels_whatever_the_contract_s_order_and_though_it_has_more(tmp_path: Path) -> None:
    more = ("old", "rare", "wet", "bright", "warm")

    split = split_for(Declaration(declared(labels=more)), str(files(tmp_path)["named"]))

    wanted = {row.tobytes(): truth for row, truth in zip(INPUTS, TRUTHS, strict=True)}
    for row, targets in zip(split.test.tensors["x"], split.test.targets, strict=True):
        truth = dict(zip(LABELS, wanted[row.tobytes()], strict=True))
        assert targets.tolist() == [truth["old"], 0, truth["wet"], truth["bright"], truth["warm"]]


@pytest.mark.parametrize(
    ("labels", "of", "error", "told"),
    [
        (TRUTHS[:, :3], declared(), DataUnfit, "has 3 numbers of labels an item, shade has 4 labels"),
        (TRUTHS * 2, declared(), SourceUnusable, "1 for those that the item has"),
        (np.ones_like(TRUTHS), declared(), DataUnusable, "have the same labels"),
        (TRUTHS, declared("softmax"), DataUnfit, "measured by a label an item"),
    ],
    ids=["width", "numbers", "constant", "one is right"],
)
def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, labels: np.ndarray, of: ModelContract, error: type[Exception], told: str
) -> None:
    np.savez(tmp_path / "data.npz", x=INPUTS, labels=labels)

    with pytest.raises(error, match=told):
        split_for(Declaration(of), str(tmp_path / "data.npz"))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"labels": ["warm"]}, {"labels": [1, 0, 0, 0]}], "a list of their names"),
        (
            [{"labels": ["warm"]}, {"label": "warm"}],
            "expected the names of lines before, labels, x, got label, x",
        ),
        ([{"labels": []}, {"labels": []}], "no item has a label"),
        ([{"labels": [1, 0]}, {"labels": [1, 0, 1]}], "as many numbers"),
    ],
    ids=["mixed", "both", "none", "ragged"],
)
def test_lines_that_say_it_in_two_ways_are_refused(tmp_path: Path, rows: list[dict], told: str) -> None:
    file = lines(tmp_path, "data.jsonl", [{"inputs": {"x": [1.0, 2.0, 3.0]}, **row} for row in rows])

    with pytest.raises(SourceUnusable, match=told):
        split_for(Declaration(declared()), str(file))


def test_calibration_items_hold_each_label_and_none_equally_often() -> None:
    targets = np.zeros((400, 3), dtype=np.int64)
    targets[:200, 0], targets[150:170, 1], targets[168:172, 2] = 1, 1, 1

    first = targets[stratified_order(targets)[:16]]

    assert [int(each) for each in first.sum(axis=0)[1:]] >= [4, 4]
    assert (~first.any(axis=1)).sum() == 4


def answers(random: np.random.Generator, items: int, *, noise: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Return truths of four labels, two of them rare, and scores that know them so far as the noise lets them."""
    truths = random.random((items, 4)) < [0.5, 0.3, 0.08, 0.05]
    truths[:6] = True
    logits = 2.0 * truths - 1 + random.normal(0, noise, truths.shape)
    return truths, 1 / (1 + np.exp(-2 * logits))


def test_figures_of_each_label_are_those_of_scikit_learn() -> None:
    truths, scores = answers(np.random.default_rng(2), 300)
    spec = Classification(labels=LABELS, threshold=0.4)

    found = several_labels_figures(scores, truths, spec)

    precision, recall, f1, _ = precision_recall_fscore_support(truths, scores >= 0.4)
    for number, each in enumerate(found.labels):
        assert each.precision.value == pytest.approx(precision[number])
        assert each.recall.value == pytest.approx(recall[number])
        assert each.f1.value == pytest.approx(f1[number])
        assert each.average_precision.value == pytest.approx(
            average_precision_score(truths[:, number], scores[:, number])
        )
        assert each.prevalence == pytest.approx(truths[:, number].mean())
        assert each.average_precision.low <= each.average_precision.value <= each.average_precision.high
    for average in ("micro", "macro"):
        wanted = precision_recall_fscore_support(truths, scores >= 0.4, average=average)[:3]
        got = getattr(found, average)
        assert [got[name].value for name in ("precision", "recall", "f1")] == pytest.approx(wanted)
    assert found.mean_average_precision.value == pytest.approx(average_precision_score(truths, scores))
    assert found.exact_match.value == pytest.approx(((scores >= 0.4) == truths).all(axis=1).mean())


def test_a_label_that_does_not_occur_or_is_never_answered_has_no_figure_but_the_others_do() -> None:
    truths = np.array([[True, False], [False, False], [True, False]])
    scores = np.array([[0.9, 0.1], [0.2, 0.1], [0.8, 0.3]])

    found = several_labels_figures(scores, truths, Classification(labels=("a", "b")))

    missing = found.labels[1]
    assert (missing.precision, missing.recall, missing.f1, missing.average_precision) == (None, None, None, None)
    assert found.labels[0].recall.method == "wilson"
    assert found.mean_average_precision.value == 1.0


@pytest.mark.parametrize("levels", [3, 1000])
def test_what_is_resampled_is_the_average_precision_of_equal_scores_too(levels: int) -> None:
    random = np.random.default_rng(6)
    truth, scores = random.random(200) < 0.2, random.integers(0, levels, 200) / levels
    weights = random.integers(0, 4, (5, 200)).astype(np.float32)

    found = weighted_average_precision(scores, truth)

    assert found(ones(200)) == pytest.approx([average_precision_score(truth, scores)])
    assert found(weights) == pytest.approx(
        [average_precision_score(truth, scores, sample_weight=each) for each in weights]
    )
    assert np.isnan(found(np.where(truth, 0, weights)).astype(float)).all()


def test_scores_for_other_items_have_about_the_prevalence() -> None:
    random = np.random.default_rng(7)
    truths, scores = answers(random, 600)

    chance = chance_precisions(scores, truths)

    assert chance.mean() == pytest.approx(truths.mean(), abs=0.03)
    assert chance.max() < average_precision_score(truths, scores)


def sense_of(scores: np.ndarray, truths: np.ndarray) -> Sense:
    made, half = declared(), len(truths) // 2
    parts = [
        Prepared([b""] * len(rows), truths[rows].astype(np.int64), {})
        for rows in (np.arange(half), np.arange(half), np.arange(half, len(truths)))
    ]
    figures = several_labels_figures(scores[half:], truths[half:], made.postprocessing)
    rows = scores[half:].astype(np.float32)
    return several_labels_sense(made, rows, figures, Split(Declaration(made), *parts, sha256=""))


def codes(sense: Sense) -> list[str]:
    return [each.code for each in sense.findings]


def test_a_model_that_knows_its_labels_has_no_finding() -> None:
    for seed in range(20):
        truths, scores = answers(np.random.default_rng(seed), 300)
        sense = sense_of(scores, truths)
        assert codes(sense) == [], seed
        assert [each.metric for each in sense.baselines] == ["label accuracy", "mAP"]
        assert sense.baselines[1].is_beaten


def test_a_model_that_never_reaches_the_threshold_but_ranks_well_is_better_than_guessing() -> None:
    truths, scores = answers(np.random.default_rng(3), 300)

    sense = sense_of(scores * 0.4, truths)

    assert [each.is_beaten for each in sense.baselines] == [False, True]
    assert codes(sense) == []


def test_scores_by_chance_are_no_better_than_guessing() -> None:
    passing = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truths, _ = answers(random, 200)
        passing += "no_better_than_guessing" not in codes(sense_of(random.random(truths.shape), truths))

    assert passing <= 2


def test_each_label_s_share_for_every_item_is_constant() -> None:
    truths, _ = answers(np.random.default_rng(4), 300)
    scores = np.tile([0.5, 0.3, 0.08, 0.05], (300, 1))

    assert codes(sense_of(scores, truths)) == ["no_better_than_guessing", "constant_outputs"]


def test_a_label_that_the_model_does_not_know_is_named() -> None:
    truths, scores = answers(np.random.default_rng(5), 400)
    scores[:, 1] = 0.3

    sense = sense_of(scores, truths)

    assert codes(sense) == ["constant_labels"]
    assert "the same score for bright, though" in sense.findings[0].text
