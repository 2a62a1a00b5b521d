"""Keras files as others leave them: compiled with code of their own, and of Keras 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lambent.adapters.keras_model import KerasInterpreterLoader
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import ModelContract
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ConversionFailed, LayerUnsupported
from lambent_toolkit.modelkit.importing.bring import import_model, import_record
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.remedies_step import _check_compilation
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def drafted(source: Path, *, is_trusted: bool = False) -> ModelContract:
    return draft_contract("theirs", read_model(source, is_trusted=is_trusted).signature).contract


def test_a_loss_of_its_makers_own_is_never_built_by_what_only_answers(tmp_path: Path) -> None:
    built = []
    with quiet():
        import keras

        class Dice(keras.losses.Loss):
            def call(self, true: Any, predicted: Any) -> Any:
                return 1.0 - keras.ops.mean(true * predicted)

            @classmethod
            def from_config(cls, config: dict[str, Any]) -> Dice:
                built.append(config)
                return cls(**config)

        model = keras.Sequential([keras.Input((4,), name="row"), keras.layers.Dense(3, name="scores")])
        model.compile("adam", loss=Dice())
        model.save(tmp_path / "theirs.keras")
    contract = drafted(tmp_path / "theirs.keras")

    # Even where the class is known, so that it could be built.
    with keras.saving.custom_object_scope({"Dice": Dice}):
        import_model(tmp_path / "theirs.keras", contract, tmp_path / "out")
        served = KerasInterpreterLoader().load(tmp_path / "out" / "model.keras", contract)

    row = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(served.run({"row": row})["scores"], model(row), atol=1e-6)
    assert built == []
    with pytest.raises(LayerUnsupported, match="not Keras's own"):
        _check_compilation((tmp_path / "out" / "model.keras").read_bytes())


def test_an_hdf5_file_of_keras_2_is_read_with_trust_and_its_lstm_unrolled(tmp_path: Path) -> None:
    with quiet():
        import keras

        layers = [
            keras.Input((8, 8, 2), name="picture"),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.Reshape((6, 12)),
            keras.layers.LSTM(3, name="memory"),
        ]
        model = keras.Sequential(layers)
        model.save(tmp_path / "theirs.h5")
    with h5py.File(tmp_path / "theirs.h5", "r+") as file:
        config = json.loads(str(file.attrs["model_config"]))
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
            if layer["class_name"] == "LSTM":
                layer["config"] |= {"time_major": False, "implementation": 2}
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = b"2.15.0"
    contract = drafted(tmp_path / "theirs.h5", is_trusted=True)

    import_model(tmp_path / "theirs.h5", contract, tmp_path / "out", is_trusted=True)

    assert import_record(tmp_path / "out").changes[0] == "recurrent layers unrolled: memory (6 steps)"
    assert "memory (6 steps)" in (tmp_path / "out" / "card.md").read_text()
    golden = GoldenVectors.from_npz((tmp_path / "out" / "golden.npz").read_bytes())
    served = LiteInterpreterLoader().load(tmp_path / "out" / "model.tflite", contract).run(golden.tensors)
    np.testing.assert_allclose(next(iter(served.values())), model(golden.tensors["picture"]), atol=1e-5)


def test_a_saved_model_that_computes_in_halves_is_told_how_it_can_be_brought(tmp_path: Path) -> None:
    with quiet():
        import tensorflow as tf

        class Halves(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.kernel = tf.Variable(np.ones((4, 3), np.float32))

            @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="row")])
            def serve(self, row: Any) -> Any:
                half = tf.matmul(tf.cast(row, tf.float16), tf.cast(self.kernel, tf.float16))
                return {"scores": tf.cast(tf.nn.relu(half), tf.float32)}

        module = Halves()
        tf.saved_model.save(module, tmp_path / "halves", signatures={"serving_default": module.serve})

    with pytest.raises(ConversionFailed, match=r"computes in 16-bit floats: bring the model as a \.keras file"):
        read_model(tmp_path / "halves")
