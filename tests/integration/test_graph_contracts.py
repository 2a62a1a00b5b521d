"""Keras models of many graphs: what is drafted is read from the graph, is imported, and answers as Keras does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from graph_models import GRAPH_MODELS, GraphModel
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ContractDisagrees, ForeignModelRefused
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.drafting import DraftWish, draft_of
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.quantization import to_tflite
from lambent_toolkit.modelkit.sensitivity import run_file
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file

pytestmark = [FOREIGN_WARNINGS]
CONVERTED = ("dicts", "nested_structure", "odd_names", "binary_score")


def saved(model: GraphModel, path: Path) -> Path:
    with quiet():
        import keras

        model.build(keras, keras.layers).save(path)
    return path


def check_drafted(contract: ModelContract, wanted: GraphModel) -> None:
    if wanted.pixels is not None:
        assert isinstance(contract.preprocessing, ImagePreprocessing)
        found = (contract.preprocessing.scale, contract.preprocessing.offset)
        assert found == pytest.approx(wanted.pixels)
    if wanted.activation is not None:
        assert isinstance(contract.postprocessing, Classification)
        assert (contract.postprocessing.activation, contract.postprocessing.output) == (
            wanted.activation,
            wanted.output,
        )


@pytest.mark.parametrize("name", GRAPH_MODELS)
def test_what_is_drafted_is_what_the_graph_says_and_is_imported(name: str, tmp_path: Path) -> None:
    wanted = GRAPH_MODELS[name]
    source = saved(wanted, tmp_path / f"{name}.keras")

    drafted = draft_contract("theirs", read_model(source).signature, labels=wanted.labels).contract
    import_model(source, drafted, tmp_path / "out")

    check_drafted(drafted, wanted)
    if name in CONVERTED:
        check_served(tmp_path / "out", drafted)


def test_what_stands_behind_a_layer_that_learned_or_in_a_wrapper_is_told(tmp_path: Path) -> None:
    told = {
        name: " ".join(
            draft_contract("m", read_model(saved(GRAPH_MODELS[name], tmp_path / f"{name}.keras")).signature)[1]
        )
        for name in ("learned_colours", "wrapped")
    }

    assert "pixels of 0 to 255 are prepared by Rescaling rescaling" in told["learned_colours"]
    assert "behind colours" in told["learned_colours"]
    assert "video is prepared by the model itself (TimeDistributed each_frame): not twice" in told["wrapped"]


def check_served(folder: Path, contract: ModelContract) -> None:
    """Check that the .tflite file of an imported model answers its golden inputs as Keras does, under their names."""
    golden = GoldenVectors.from_npz((folder / "golden.keras.npz").read_bytes())
    model = from_keras_file((folder / "model.keras").read_bytes())

    served = run_file(to_tflite(model, contract, variant="float32"), contract, dict(golden.tensors))

    for name, array in golden.outputs.items():
        np.testing.assert_allclose(served[name], array, atol=1e-5)


def test_what_init_drafts_has_been_tried_as_import_tries_it(tmp_path: Path) -> None:
    with quiet():
        import keras

        inputs = keras.Input((3,), name="row")
        keras.Model(inputs, keras.ops.log(inputs - 1e9)).save(tmp_path / "never.keras")

    with pytest.raises(Exception, match="answers NaN or infinity") as caught:
        draft_of(tmp_path / "never.keras")

    assert caught.value.exit_code == 42


def test_what_keras_raises_when_it_is_called_is_told_in_one_line(tmp_path: Path) -> None:
    with quiet():
        import keras

        inputs = keras.Input((None, 3), name="series")
        keras.Model(inputs, keras.layers.Reshape((7, 3))(inputs)).save(tmp_path / "seven.keras")

    with pytest.raises(ForeignModelRefused, match=r"Keras cannot run seven on inputs .*series \[8, 21, 3\]") as caught:
        draft_of(tmp_path / "seven.keras")

    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_each_input_of_a_saved_model_has_its_own_path(tmp_path: Path) -> None:
    with quiet():
        import keras

        layers = keras.layers
        picture, row = keras.Input((12, 12, 3), name="picture"), keras.Input((4,), name="row")
        seen = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(picture)))
        keras.Model({"picture": picture, "row": row}, layers.Dense(3)(layers.Concatenate()([seen, row]))).export(
            tmp_path / "two", verbose=False
        )

    drafted = draft_contract("two", read_model(tmp_path / "two").signature)

    told = [each for each in drafted.to_check if "is prepared by the model itself" in each]
    assert len(told) == 1
    assert told[0].startswith("picture is prepared by the model itself (* 0.00392157")


def test_of_a_saved_model_s_folded_scaling_the_draft_is_right(tmp_path: Path) -> None:
    with quiet():
        import keras

        GRAPH_MODELS["preprocess_caffe"].build(keras, keras.layers).export(tmp_path / "caffe", verbose=False)

    check_drafted(
        draft_contract("caffe", read_model(tmp_path / "caffe").signature, labels=("a", "b", "c")).contract,
        GRAPH_MODELS["preprocess_caffe"],
    )


def test_a_second_softmax_is_not_imported(tmp_path: Path) -> None:
    source = saved(GRAPH_MODELS["averaged"], tmp_path / "averaged.keras")
    drafted = draft_contract("averaged", read_model(source).signature, labels=("a", "b", "c")).contract
    twice = Classification(labels=("a", "b", "c"), activation="softmax")

    with pytest.raises(ContractDisagrees, match="expected none, got softmax"):
        import_model(source, msgspec.structs.replace(drafted, postprocessing=twice), tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_saved_model_s_scores_are_known_by_its_answers(tmp_path: Path) -> None:
    with quiet():
        import keras

        for name in ("averaged", "logits"):
            GRAPH_MODELS[name].build(keras, keras.layers).export(tmp_path / name, verbose=False)

    found = {
        name: draft_contract(name, read_model(tmp_path / name).signature, labels=("a", "b", "c")).contract
        for name in ("averaged", "logits")
    }

    assert found["averaged"].postprocessing.activation == "none"
    assert found["logits"].postprocessing.activation == "softmax"


def test_a_saved_model_s_preprocessing_is_read_where_the_converter_leaves_it(tmp_path: Path) -> None:
    with quiet():
        import keras

        for name in ("preprocess_torch", "normed_unit"):
            GRAPH_MODELS[name].build(keras, keras.layers).export(tmp_path / name, verbose=False)

    for name in ("preprocess_torch", "normed_unit"):
        found = draft_contract("m", read_model(tmp_path / name).signature, labels=("a", "b", "c")).contract
        check_drafted(found, GRAPH_MODELS[name])


def test_an_hdf5_file_that_is_trusted_tells_of_its_graph_too(tmp_path: Path) -> None:
    source = saved(GRAPH_MODELS["augmented"], tmp_path / "augmented.h5")

    drafted = draft_of(source, DraftWish(labels=("a", "b", "c")), is_trusted=True)

    assert (drafted.contract.preprocessing.scale, drafted.contract.preprocessing.offset) == (1.0, 0.0)
    assert any("random_flip" in each for each in drafted.to_check)


def test_a_saved_model_of_unknown_rank_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with quiet():
        import tensorflow as tf

        class AnyRank(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
            def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
                return {"y": 2.0 * x}

        module = AnyRank()
        tf.saved_model.save(module, tmp_path / "any", signatures={"serving_default": module.serve})

    with pytest.raises(ForeignModelRefused, match=r"Tensor [xy] .* an unknown number of dimensions.*input_signature"):
        read_model(tmp_path / "any")
