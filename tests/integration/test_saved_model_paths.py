"""SavedModels that prepare their own input: read from the graph as it was saved, before the converter folds it away."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from graph_models import GRAPH_MODELS
from lambent.contracts.model import ImagePreprocessing
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.pixel_range import InputPath
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.importing.saved_model import check_graph, saved_model_signature, to_float_tflite
from lambent_toolkit.modelkit.importing.saved_model_paths import saved_model_paths
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

pytestmark = [FOREIGN_WARNINGS]
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype(np.float32)
MEANS = np.array([123.0, 117.0, 104.0], np.float32)
Prepare = Callable[[Any, Any], Any]
EXPORTED = [
    *("rescaling", "preprocess_tf", "preprocess_caffe", "preprocess_torch", "swapped_means", "cast_pixels", "resized"),
    *("nested_base", "normed_pixels", "normed_unit", "unit_to_signed", "signed_to_unit", "unit_to_pixels"),
    *("nothing_inside", "pooled_first", "cut_off_first", "batch_norm_first"),
]


def saved(folder: Path, prepare: Prepare, *, shape: tuple[int | None, ...] = (None, 12, 12, 3)) -> Path:
    """Save a module that prepares pictures by TensorFlow's own functions, and weighs them by a variable."""
    with quiet():
        import tensorflow as tf

        class Network(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.kernel = tf.Variable(KERNEL)
                self.scale = tf.Variable(1 / 255)

            @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="picture")])
            def serve(self, picture: Any) -> Any:
                seen = tf.nn.conv2d(prepare(tf, picture), self.kernel, 1, "SAME")
                return {"scores": tf.nn.softmax(tf.reduce_mean(seen, [1, 2]))}

        network = Network()
        tf.saved_model.save(network, folder, signatures={"serving_default": network.serve})
    return folder


def path_of(folder: Path) -> InputPath | None:
    graph, inputs = check_graph(folder), saved_model_signature(folder).inputs
    return saved_model_paths(graph, "serving_default", inputs).get(inputs[0].name)


def split_means(tf: Any, picture: Any) -> Any:
    red, green, blue = tf.split(picture, 3, -1)
    return tf.concat([blue - 103.9, green - 116.8, red - 123.7], -1)


@pytest.mark.parametrize(
    ("prepare", "steps"),
    [
        (lambda _tf, picture: picture / 127.5 - 1.0, ("/ 127.5", "- 1")),
        (lambda tf, picture: tf.image.resize(picture, [6, 6]) * (1 / 255), ("* 0.00392157",)),
        (lambda _tf, picture: picture[..., ::-1] - MEANS, ("channels reversed", "- 104 or 117 or 123")),
        (lambda tf, picture: tf.gather(picture, [2, 1, 0], axis=-1) / 255.0, ("channels reversed", "/ 255")),
        (lambda tf, picture: tf.reverse(picture, [-1]) / 255.0, ("channels reversed", "/ 255")),
        (split_means, ("- 123.7", "- 116.8", "- 103.9")),
        (lambda _tf, picture: picture, ()),
    ],
    ids=["signed", "resized", "caffe", "gathered", "reversed", "split", "nothing"],
)
def test_what_a_graph_does_to_pixels_first_is_told(tmp_path: Path, prepare: Prepare, steps: tuple[str, ...]) -> None:
    path = path_of(saved(tmp_path / "m", prepare))

    assert path is not None
    assert path.steps == steps
    assert path.learns == "Conv2D"


def test_a_graph_for_one_picture_is_followed_too(tmp_path: Path) -> None:
    path = path_of(saved(tmp_path / "m", lambda _tf, picture: picture / 255.0, shape=(1, 12, 12, 3)))

    assert path is not None
    assert path.steps == ("/ 255",)
    assert path.levels[0] == pytest.approx((-1 / 255, 0.0, 1 / 255, 1.0))


def test_where_what_reaches_the_first_weights_is_not_known_nothing_is_said(tmp_path: Path) -> None:
    each = saved(tmp_path / "m", lambda tf, picture: tf.map_fn(tf.image.per_image_standardization, picture))

    assert path_of(each) is None


@pytest.mark.parametrize("name", EXPORTED)
def test_a_draft_of_an_exported_model_wants_the_pixels_that_its_keras_file_wants(tmp_path: Path, name: str) -> None:
    with quiet():
        import keras

        GRAPH_MODELS[name].build(keras, keras.layers).export(tmp_path / name, verbose=False)

    draft = draft_contract("m", read_model(tmp_path / name).signature)

    spec = draft.contract.preprocessing
    assert isinstance(spec, ImagePreprocessing)
    assert (spec.scale, spec.offset) == pytest.approx(GRAPH_MODELS[name].pixels)
    told = (
        "before conv2d the model prepares nothing" if name == "nothing_inside" else "the model itself prepares pixels"
    )
    assert any(told in re.sub(r"functional\w*/|(conv2d)\w*", r"\1", each) for each in draft.to_check)


@pytest.mark.parametrize(
    ("prepare", "steps"),
    [
        (lambda _tf, picture: picture[..., ::-1] - MEANS, {"channels reversed"}),
        (lambda tf, picture: tf.gather(picture, [2, 1, 0], axis=-1) - MEANS, {"channels reversed"}),
        (lambda tf, picture: tf.reverse(picture, [-1]) - MEANS, {"channels reversed"}),
        (split_means, set[str]()),
    ],
    ids=["sliced", "gathered", "reversed", "split"],
)
def test_a_tflite_file_that_swaps_channels_wants_pixels_as_they_are(
    tmp_path: Path, prepare: Prepare, steps: set[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes(to_float_tflite(saved(tmp_path / "m", prepare)))

    found = read_model(tmp_path / "m.tflite").signature
    spec = draft_contract("m", found).contract.preprocessing

    told = found.paths["picture"].steps
    assert steps <= set(told)
    assert any(each.startswith(("- ", "+ ")) for each in told)
    assert isinstance(spec, ImagePreprocessing)
    assert (spec.scale, spec.offset) == (1.0, 0.0)
