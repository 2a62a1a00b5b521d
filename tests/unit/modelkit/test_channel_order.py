"""Red and blue exchanged between training and serving: found in models that were made so, and in no others."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from builders import contract
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, Regression, TensorSpec
from lambent.domain.preprocessing import make_preprocessor
from lambent_toolkit.modelkit.evaluating.classification import classification_figures
from lambent_toolkit.modelkit.evaluating.picture_readings import exchanged, swapped_reading
from lambent_toolkit.modelkit.evaluating.sense import Sense, classifier_sense, regression_sense
from lambent_toolkit.modelkit.recipe import Declaration, Prepared, Split

SIDE = 4
# Orange, rose, lime, azure and grey: exchanged, none but the last is the same, and only two are one another.
COLOURS = np.array([[255, 128, 0], [255, 0, 128], [128, 255, 0], [0, 128, 255], [128, 128, 128]]) / 255
LABELS = ("orange", "rose", "lime", "azure", "grey")
Model = Callable[[np.ndarray], np.ndarray]


def declared(postprocessing: object = None, **changes: object) -> ModelContract:
    return contract(
        inputs=(TensorSpec(name="image", datatype="FP32", shape=(-1, SIDE, SIDE, 3)),),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 1 if postprocessing else 5)),),
        preprocessing=ImagePreprocessing(height=SIDE, width=SIDE, channels=3, **changes),
        postprocessing=postprocessing or Classification(labels=LABELS),
    )


def part_of(random: np.random.Generator, items: int, *, noise: float = 0.1) -> Prepared:
    classes = random.integers(0, len(COLOURS), items)
    pixels = np.clip(COLOURS[classes][:, None, None] + random.normal(0, noise, (items, SIDE, SIDE, 3)), 0, 1)
    return Prepared([b""] * items, classes.astype(np.int64), {"image": pixels.astype(np.float32)})


def split_of(random: np.random.Generator, items: int = 150, *, noise: float = 0.1) -> Split:
    return Split(Declaration(declared()), *(part_of(random, size, noise=noise) for size in (200, 20, items)), sha256="")


def nearest_colour(colours: np.ndarray) -> Model:
    def answer(tensor: np.ndarray) -> np.ndarray:
        distances = ((tensor.mean(axis=(1, 2))[:, None] - colours) ** 2).sum(axis=2)
        powers = np.exp(-20 * (distances - distances.min(axis=1, keepdims=True)))
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    return answer


def sense_of(model: Model, split: Split, made: ModelContract | None = None) -> Sense:
    made = made or declared()
    rows = model(split.test.tensors["image"])

    def answer(part: Prepared, _: ModelContract, *, is_swapped: bool = False) -> dict[str, np.ndarray]:
        tensor = part.tensors["image"]
        return {"scores": model(tensor[..., ::-1] if is_swapped else tensor)}

    if isinstance(made.postprocessing, Regression):
        return regression_sense(made, rows, split, answer=answer)
    figures = classification_figures(rows, split.test.targets, made.postprocessing)
    return classifier_sense(made, rows, figures, split, answer=answer, output_step=0.0)


def codes(sense: Sense) -> list[str]:
    return [each.code for each in sense.findings]


def test_a_model_that_was_made_for_bgr_is_found_though_it_is_better_than_guessing() -> None:
    split = split_of(np.random.default_rng(1))
    # As a network does that looks at more than colours: half of its answers are right in either reading.
    knows = nearest_colour(COLOURS[:, ::-1])
    truth, known = np.eye(5, dtype=np.float32)[split.test.targets], np.arange(150) % 2 == 0

    sense = sense_of(lambda tensor: np.where(known[: len(tensor), None], truth[: len(tensor)], knows(tensor)), split)

    assert codes(sense) == ["pictures_in_other_channels"]
    assert "BGR" in sense.findings[0].text
    assert "with both exchanged 100.0%" in sense.findings[0].text
    assert sense.baselines[0].is_beaten


def test_bgr_on_another_scale_is_found_with_both() -> None:
    colours = COLOURS[:, ::-1] * 2 - 1
    model = nearest_colour(colours)

    sense = sense_of(model, split_of(np.random.default_rng(2)))

    found = [each.text for each in sense.findings if each.code == "pictures_on_other_scale"]
    assert len(found) == 1
    assert "from -1 to 1" in found[0]
    assert "red and blue exchanged (BGR)" in found[0]


def redness(tensor: np.ndarray) -> np.ndarray:
    return tensor.mean(axis=(1, 2))[:, :1] - tensor.mean(axis=(1, 2))[:, 1:2]


@pytest.mark.parametrize("is_swapped", [False, True])
def test_a_regression_that_looks_at_the_wrong_colour_is_found(is_swapped: bool) -> None:
    split = split_of(np.random.default_rng(3))
    parts = [
        Prepared(part.items, redness(part.tensors["image"])[:, 0].astype(np.float64), part.tensors)
        for part in (split.train, split.validation, split.test)
    ]
    made = declared(Regression())

    sense = sense_of(
        lambda tensor: redness(tensor[..., ::-1] if is_swapped else tensor) + 0.01,
        Split(Declaration(made), *parts, sha256=""),
        made,
    )

    assert ("pictures_in_other_channels" in codes(sense)) == is_swapped


def test_models_of_rgb_and_models_that_do_not_look_at_colours_are_never_accused() -> None:
    for seed in range(25):
        random = np.random.default_rng(seed)
        split = split_of(random, 80, noise=0.3)
        chance = random.dirichlet(np.ones(5), 160).astype(np.float32)
        models: list[Model] = [
            nearest_colour(COLOURS),
            lambda tensor: nearest_colour(COLOURS)(np.repeat(tensor.mean(axis=-1, keepdims=True), 3, -1)),
            lambda tensor, chance=chance: chance[(tensor.sum(axis=(1, 2, 3)) * 1e4).astype(int) % 160],
        ]
        for number, model in enumerate(models):
            found = codes(sense_of(model, split))
            assert "pictures_in_other_channels" not in found, (seed, number)
            assert "pictures_on_other_scale" not in found, (seed, number)


def test_grey_pictures_and_a_scale_of_nothing_have_no_other_channels() -> None:
    part = part_of(np.random.default_rng(4), 20)

    def refuse(*_: object, **__: object) -> dict[str, np.ndarray]:
        raise AssertionError("There is nothing to be tried.")

    grey = contract(preprocessing=ImagePreprocessing(height=2, width=2, channels=1))
    assert swapped_reading(grey, part, refuse) is None
    assert swapped_reading(declared(scale=0.0), part, refuse) is None


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (2 / 255, -1.0), (1.0, 0.0)])
def test_exchanged_items_become_the_exchanged_tensors(scale: float, offset: float) -> None:
    made = declared(scale=scale, offset=offset)
    pixels = np.random.default_rng(5).integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    preprocessor = make_preprocessor(made, {})

    def tensors(items: list[bytes]) -> np.ndarray:
        return preprocessor.collate([preprocessor.prepare(item) for item in items])["image"]

    items = []
    for picture in pixels:
        buffer = BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        items.append(buffer.getvalue())
    part = exchanged(Prepared(items, np.zeros(6, np.int64), {"image": tensors(items)}), made)

    np.testing.assert_array_equal(part.tensors["image"], tensors(items)[..., ::-1])
    np.testing.assert_array_equal(tensors(part.items), part.tensors["image"])
