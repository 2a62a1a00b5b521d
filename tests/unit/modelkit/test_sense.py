"""Faults of answers that no comparison with the float model shows: found in models with them, and in no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from builders import contract
from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    Regression,
    TabularPreprocessing,
    TensorSpec,
)
from lambent_toolkit.modelkit.errors import ModelsIncomparable
from lambent_toolkit.modelkit.evaluating.answers import answer_rows
from lambent_toolkit.modelkit.evaluating.baselines import is_guessing, regression_baselines, share_baseline
from lambent_toolkit.modelkit.evaluating.classification import classification_figures
from lambent_toolkit.modelkit.evaluating.comparing import _scored
from lambent_toolkit.modelkit.evaluating.sense import Sense, classifier_sense, raw_sense, regression_sense
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split

SIDE, CLASSES = 4, 5
LABELS = ("cat", "ant", "elk", "dog", "bee")
SCALE = 1 / 255
Model = Callable[[np.ndarray], np.ndarray]


def pictures(random: np.random.Generator, items: int, *, shares: tuple[float, ...] | None = None) -> Prepared:
    """Return noisy pictures of five forms as a contract of 0 to 1 makes tensors of them."""
    classes = random.choice(CLASSES, items, p=shares)
    classes[:CLASSES] = np.arange(CLASSES)
    pixels = np.clip(forms()[classes] + random.normal(0, 40, (items, SIDE, SIDE, 1)), 0, 255)
    return Prepared([b""] * items, classes.astype(np.int64), {"image": (pixels * SCALE).astype(np.float32)})


def forms() -> np.ndarray:
    """Return one picture a class, 0 to 255, of as much light each."""
    return (
        np.random.default_rng(5)
        .permuted(np.tile(np.repeat([40.0, 215.0], SIDE * SIDE // 2), (CLASSES, 1)), axis=1)
        .reshape(CLASSES, SIDE, SIDE, 1)
    )


def declared(**changes: object) -> ModelContract:
    fields = {
        "inputs": (TensorSpec(name="image", datatype="FP32", shape=(-1, SIDE, SIDE, 1)),),
        "outputs": (TensorSpec(name="scores", datatype="FP32", shape=(-1, CLASSES)),),
        "preprocessing": ImagePreprocessing(height=SIDE, width=SIDE, channels=1),
        "postprocessing": Classification(labels=LABELS),
        **changes,
    }
    return contract(**fields)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def nearest_form(low: float = 0.0, high: float = 1.0) -> Model:
    """Return a model that knows the forms, made for pixels from ``low`` to ``high``."""
    prototypes = forms().reshape(CLASSES, -1) / 255

    def answer(tensor: np.ndarray) -> np.ndarray:
        light = (tensor.reshape(len(tensor), -1) - low) / (high - low)
        distances = ((light[:, None] - prototypes) ** 2).sum(axis=2)
        return softmax(-8 * distances)

    return answer


def dead_beyond(model: Model, low: float, high: float) -> Model:
    """Return a model whose units are dead for inputs out of the range that it was trained with."""

    def answer(tensor: np.ndarray) -> np.ndarray:
        darkest, brightest = (limit(tensor, axis=(1, 2, 3)) for limit in (np.min, np.max))
        middle, width = (low + high) / 2, (high - low) / 2
        alive = (darkest < middle - 0.3 * width) & (brightest > middle) & (brightest <= high)
        return np.where(alive[:, None], model(tensor), DEAD)

    return answer


DEAD = np.array([0.1, 0.5, 0.2, 0.1, 0.1], dtype=np.float32)


# One class is by far the commonest. Of classes that are equally common, each may by chance be so much commoner in the
# test part that always answering it beats always answering the training part's commonest.
UNEVEN = (0.4, 0.15, 0.15, 0.15, 0.15)


def split_of(random: np.random.Generator, *, shares: tuple[float, ...] | None = None, items: int = 120) -> Split:
    parts = [pictures(random, size, shares=shares) for size in (300, 60, items)]
    return Split(Declaration(declared()), *parts, sha256="0" * 64)


def sense_of(model: Model, split: Split, *, of: ModelContract | None = None, output_step: float = 0.0) -> Sense:
    made = of or declared()
    outputs = {"scores": model(split.test.tensors["image"])}
    rows = answer_rows(outputs, made, of="test")
    figures = classification_figures(rows, split.test.targets, made.postprocessing)
    return classifier_sense(
        made,
        rows,
        figures,
        split,
        answer=lambda part, _: {"scores": model(part.tensors["image"])},
        output_step=output_step,
    )


def codes(sense: Sense) -> list[str]:
    return [each.code for each in sense.findings]


@pytest.fixture(scope="module")
def seed() -> int:
    return int(np.random.default_rng().integers(2**32))


@pytest.fixture
def random(seed: int) -> np.random.Generator:
    print("seed", seed)
    return np.random.default_rng(seed)


def test_a_good_model_has_no_finding_and_beats_every_constant_answer(random: np.random.Generator) -> None:
    sense = sense_of(nearest_form(), split_of(random))

    assert codes(sense) == []
    assert all(each.is_beaten for each in sense.baselines if each.must_be_beaten)
    assert [each.metric for each in sense.baselines] == ["accuracy", "macro recall", "accuracy"]
    assert sense.baselines[0].better_by.low < sense.baselines[0].better_by.value < sense.baselines[0].better_by.high


def test_the_commonest_class_is_that_of_the_training_part() -> None:
    random = np.random.default_rng(1)
    split = split_of(random, shares=(0.1, 0.1, 0.6, 0.1, 0.1))
    turned = replace_part(split, train=pictures(random, 300, shares=(0.6, 0.1, 0.1, 0.1, 0.1)))

    first = sense_of(nearest_form(), turned).baselines[0]

    assert first.name == "always cat, the commonest of the training part"
    assert first.value == pytest.approx((split.test.targets == 0).mean())


def replace_part(split: Split, **parts: Prepared) -> Split:
    return Split(
        split.declaration,
        parts.get("train", split.train),
        parts.get("validation", split.validation),
        parts.get("test", split.test),
        split.sha256,
    )


def test_answers_by_chance_are_no_better_than_guessing() -> None:
    random = np.random.default_rng(3)
    chance = random.dirichlet(np.ones(CLASSES), 120).astype(np.float32)

    sense = sense_of(lambda tensor: chance[: len(tensor)], split_of(random, shares=(0.8, 0.05, 0.05, 0.05, 0.05)))

    assert codes(sense)[0] == "no_better_than_guessing"
    assert "always cat" in sense.findings[0].text


def test_a_model_that_finds_a_rare_class_is_better_than_guessing_though_no_oftener_right() -> None:
    random = np.random.default_rng(11)
    split = split_of(random, shares=(0.96, 0.01, 0.01, 0.01, 0.01), items=300)
    rare = split.test.targets > 0

    def answer(tensor: np.ndarray) -> np.ndarray:
        rows = nearest_form()(tensor)
        # As many false alarms as finds.
        rows[np.flatnonzero(~rare)[: rare.sum()]] = [0.1, 0.6, 0.1, 0.1, 0.1]
        return rows

    sense = sense_of(answer, split)

    assert not sense.baselines[0].is_beaten
    assert sense.baselines[1].is_beaten
    assert codes(sense) == []


def test_one_class_for_everything_is_named(random: np.random.Generator) -> None:
    def answer(tensor: np.ndarray) -> np.ndarray:
        rows = 0.1 * nearest_form()(tensor)
        rows[:, 3] += 0.9
        return rows

    sense = sense_of(answer, split_of(random, shares=UNEVEN))

    assert codes(sense) == ["no_better_than_guessing", "one_class_answered"]
    assert "'dog'" in sense.findings[1].text


def test_constant_outputs_are_named(random: np.random.Generator) -> None:
    sense = sense_of(lambda tensor: np.tile(DEAD, (len(tensor), 1)), split_of(random, shares=UNEVEN))

    assert codes(sense) == ["no_better_than_guessing", "constant_outputs"]


@pytest.mark.parametrize("step", [0.0, 1 / 256])
def test_scores_of_one_that_are_often_wrong_are_named(random: np.random.Generator, step: float) -> None:
    split = split_of(random)
    wrong = random.permutation(120) < 45

    def answer(tensor: np.ndarray) -> np.ndarray:
        best = nearest_form()(tensor).argmax(axis=1)
        best[wrong[: len(best)]] = random.integers(0, CLASSES, wrong[: len(best)].sum())
        return (np.eye(CLASSES, dtype=np.float32) * (1 - step))[best]

    assert codes(sense_of(answer, split, output_step=step)) == ["saturated_scores"]
    assert codes(sense_of(answer, split, of=tempered(3.0), output_step=step)) == ["saturated_scores"]


def tempered(temperature: float) -> ModelContract:
    return declared(postprocessing=Classification(labels=LABELS, temperature=temperature))


def test_sure_scores_that_are_right_are_no_fault(random: np.random.Generator) -> None:
    def answer(tensor: np.ndarray) -> np.ndarray:
        return np.eye(CLASSES, dtype=np.float32)[nearest_form()(tensor).argmax(axis=1)]

    assert codes(sense_of(answer, split_of(random))) == []


@pytest.mark.parametrize(
    ("order", "name"),
    [
        ((1, 4, 0, 3, 2), "in alphabetical order"),
        ((4, 3, 2, 1, 0), "in another order"),
        ((1, 0, 2, 3, 4), "in another order"),
    ],
    ids=["alphabetical", "reversed", "two"],
)
def test_labels_in_another_order_than_the_model_s_are_found_with_the_order(
    random: np.random.Generator, order: tuple[int, ...], name: str
) -> None:
    def answer(tensor: np.ndarray) -> np.ndarray:
        return nearest_form()(tensor)[:, list(order)]

    found = [each for each in sense_of(answer, split_of(random)).findings if each.code == "labels_in_other_order"]

    assert len(found) == 1
    assert name in found[0].text
    meant = [f"{place}: {LABELS[number]}" for place, number in enumerate(order) if place != number]
    assert ", ".join(meant) in found[0].text


def test_two_exchanged_labels_of_a_binary_classifier_are_found(random: np.random.Generator) -> None:
    split = split_of(random)
    binary = {name: binary_part(part) for name, part in (("train", split.train), ("test", split.test))}
    made = declared(
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 2)),),
        postprocessing=Classification(labels=("good", "bad")),
    )

    def answer(tensor: np.ndarray) -> np.ndarray:
        first = nearest_form()(tensor)[:, :2].sum(axis=1)
        return np.stack([1 - first, first], axis=1)

    found = sense_of(answer, replace_part(split, **binary), of=made)

    assert "labels_in_other_order" in codes(found)


def binary_part(part: Prepared) -> Prepared:
    return Prepared(part.items, (part.targets > 1).astype(np.int64), part.tensors)


@pytest.mark.parametrize(
    ("low", "high", "told"), [(0, 255, "0 to 255"), (-1, 1, "-1 to 1"), (1, 0, "dark and bright exchanged")]
)
def test_pixels_on_another_scale_than_the_model_s_are_found_with_the_scale(
    random: np.random.Generator, low: float, high: float, told: str
) -> None:
    model = nearest_form(low, high)
    if low <= 0 < high:
        model = dead_beyond(model, low, high)

    sense = sense_of(model, split_of(random))

    found = [each.text for each in sense.findings if each.code == "pictures_on_other_scale"]
    assert len(found) == 1
    assert told in found[0]
    assert "as declared (pixel * 0.003922 + 0)" in found[0]


def test_one_in_a_hundred_models_that_guess_passes_for_one_that_knows() -> None:
    random = np.random.default_rng(4)
    classes = random.integers(0, 3, (400, 150))
    guesses = random.integers(0, 3, (400, 150))

    passing = [
        share_baseline("always", row == truth, truth == 0).is_beaten
        for row, truth in zip(guesses, classes, strict=True)
    ]

    assert sum(passing) <= 8


def test_a_bad_model_is_not_called_one_of_another_scale() -> None:
    random = np.random.default_rng(5)
    chance = random.dirichlet(np.ones(CLASSES), 120).astype(np.float32)

    sense = sense_of(lambda tensor: chance[: len(tensor)], split_of(random))

    assert codes(sense) == ["no_better_than_guessing"]


def numbers_split(random: np.random.Generator, items: int = 120) -> Split:
    def part(size: int) -> Prepared:
        rows = random.normal(0, 1, (size, 3)).astype(np.float32)
        return Prepared([b"{}"] * size, 100 + 20 * rows[:, 0].astype(np.float64), {"row": rows})

    made = regression()
    return Split(Declaration(made), part(200), part(40), part(items), sha256="0" * 64)


def regression(**changes: object) -> ModelContract:
    return contract(
        inputs=(TensorSpec(name="row", datatype="FP32", shape=(-1, 3)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 1)),),
        preprocessing=TabularPreprocessing(columns=tuple(NumericColumn(name=name) for name in "abc")),
        postprocessing=Regression(**{"scale": 20.0, "offset": 100.0, "unit": "EUR", **changes}),
    )


def regression_of(model: Model, split: Split, made: ModelContract) -> Sense:
    rows = model(split.test.tensors["row"])
    return regression_sense(made, rows, split, answer=lambda part, _: {"scores": model(part.tensors["row"])})


def first_column(rows: np.ndarray) -> np.ndarray:
    return rows[:, :1] + 0.1


def test_a_good_regression_beats_mean_and_median_and_a_broken_one_neither(random: np.random.Generator) -> None:
    split = numbers_split(random)

    good = regression_of(first_column, split, regression())
    unscaled = regression_of(first_column, split, regression(scale=1.0, offset=0.0))
    # Beside the mean: a number next to it may by chance be the better one for these test items.
    constant = regression_of(lambda rows: np.full((len(rows), 1), 3.0), split, regression())

    assert codes(good) == []
    assert [each.metric for each in good.baselines] == ["rmse", "mae", "rmse"]
    assert all(each.better_by.low > 0 for each in good.baselines[:2])
    assert codes(unscaled) == ["no_better_than_guessing", "answers_on_other_scale"]
    assert "RMSE of" in unscaled.findings[0].text
    assert " EUR" in unscaled.findings[0].text
    assert codes(constant) == ["no_better_than_guessing", "constant_outputs"]


@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 0.0), (20_000.0, 100_000.0), (-20.0, 100.0), (36.0, 212.0), (20.0, 400.0)]
)
def test_answers_in_another_unit_than_the_truth_are_found_with_the_scale(
    random: np.random.Generator, scale: float, offset: float
) -> None:
    split, made = numbers_split(random), regression(scale=scale, offset=offset)

    sense = regression_of(lambda rows: rows[:, :1] + 0.02 * rows[:, 1:2], split, made)

    assert "answers_on_other_scale" in codes(sense)
    told = sense.findings[codes(sense).index("answers_on_other_scale")].text
    found = [float(told.split(before)[1].split()[0].rstrip(",")) for before in ("scale to ", "offset to ")]
    assert found == pytest.approx([20.0, 100.0], rel=0.02)


@pytest.mark.parametrize("name", ["exp(answer)", "exp(answer) - 1"])
def test_answers_that_are_logarithms_are_found(random: np.random.Generator, name: str) -> None:
    split = numbers_split(random)
    log = np.log if name == "exp(answer)" else np.log1p
    split = replace_part(split, test=at_least_one(split.test), train=at_least_one(split.train))

    sense = regression_of(
        lambda rows: log(np.maximum(100 + 20 * rows[:, :1].astype(np.float64), 1.0)),
        split,
        regression(scale=1.0, offset=0.0),
    )

    assert codes(sense) == ["no_better_than_guessing", "answers_on_other_scale"]
    assert f"of {name} it is" in sense.findings[1].text
    assert "logarithms" in sense.findings[1].text


def at_least_one(part: Prepared) -> Prepared:
    return replace(part, targets=np.maximum(part.targets, 1.0))


@pytest.mark.parametrize("knows", [0.0, 0.3, 0.8])
def test_a_regression_that_knows_little_is_not_called_one_of_another_scale(
    random: np.random.Generator, knows: float
) -> None:
    split = numbers_split(random)
    noise = random.normal(0, 1, (len(split.test), 1))

    sense = regression_of(lambda rows: knows * rows[:, :1] + (1 - knows) * noise[: len(rows)], split, regression())

    assert "answers_on_other_scale" not in codes(sense)


def test_models_of_which_each_label_is_scored_for_itself_are_not_compared_by_the_best_one() -> None:
    made = contract(postprocessing=Classification(labels=("dark", "bright"), activation="sigmoid"))
    subject = SimpleNamespace(contract=made, name="tags")

    with pytest.raises(ModelsIncomparable, match="each label is scored for itself"):
        _scored(SimpleNamespace(ready=SimpleNamespace(subject=subject), rows=np.array([[3.0, 2.0], [-1.0, -2.0]])))


def test_of_one_item_nothing_is_told() -> None:
    assert regression_baselines(np.ones(1), np.ones(1), train=np.ones(3), nearest=None) == []
    assert not is_guessing([])


def test_raw_outputs_that_do_not_depend_on_the_item_are_named() -> None:
    some, same = np.arange(6.0).reshape(3, 2), np.ones((3, 4, 4))

    assert codes(raw_sense({"mask": same, "boxes": np.zeros((3, 2))})) == ["constant_outputs"]
    assert codes(raw_sense({"mask": same, "boxes": some})) == []
