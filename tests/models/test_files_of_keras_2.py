"""Files that Keras 2 wrote (tests/fixtures/keras_2): read as they were meant, or told; never read as something else."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pytest

from lambent.adapters.keras_model import KerasInterpreterLoader
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.model import ImagePreprocessing
from lambent.contracts.tensor import Array
from lambent_toolkit.modelkit.errors import ForeignModelRefused
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.importing.bring import import_model, import_record
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.golden_items import tensor_contract
from lambent_toolkit.modelkit.importing.keras_2_config import as_keras_3
from lambent_toolkit.modelkit.importing.keras_2_meaning import check_meaning
from lambent_toolkit.modelkit.importing.keras_generations import upgrade_hdf5
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.variant_files import converter_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
FOLDER = Path(__file__).parents[1] / "fixtures" / "keras_2"
READ = [
    *("arithmetic", "attention", "axes", "encoder", "halves", "heads", "nested", "plain", "siamese", "table", "text"),
    "transfer",
]
TOLERANCE = {"halves": 2e-3}  # their own rounding


def known(name: str, side: str) -> list[Array]:
    """Return what Keras 2 was asked or answered, by the model's order."""
    with np.load(FOLDER / "answers.npz") as answers:
        return [answers[each] for each in sorted(answers.files) if each.startswith(f"{name}/{side}/")]


@pytest.mark.parametrize("name", READ)
def test_a_keras_file_of_keras_2_answers_in_keras_3_what_it_answered_there(tmp_path: Path, name: str) -> None:
    read = read_model(FOLDER / f"{name}.keras")

    (tmp_path / "model.keras").write_bytes(read.files["model.keras"])
    contract = tensor_contract(read.signature.inputs, read.signature.outputs)
    model = KerasInterpreterLoader().load(tmp_path / "model.keras", contract)
    asked = zip(contract.inputs, known(name, "in"), strict=True)
    answered = model.run({spec.name: array for spec, array in asked})
    for spec, expected in zip(contract.outputs, known(name, "out"), strict=True):
        np.testing.assert_allclose(answered[spec.name], expected, atol=TOLERANCE.get(name, 1e-5))
    assert read.changes == ("written anew as a file of Keras 3, where it was one of Keras 2.15.0",)


def test_a_file_of_keras_2_is_imported_and_converted_and_its_preprocessing_found(tmp_path: Path) -> None:
    source = FOLDER / "transfer.keras"
    contract = draft_contract("transfer", read_model(source).signature).contract

    import_model(source, contract, tmp_path / "out")
    convert = converter_of(KerasFloat((tmp_path / "out" / "model.keras").read_bytes()), contract)
    (tmp_path / "model.tflite").write_bytes(convert("float32", None))

    assert isinstance(contract.preprocessing, ImagePreprocessing)
    assert (contract.preprocessing.scale, contract.preprocessing.offset) == (1.0, 0.0)
    served = LiteInterpreterLoader().load(tmp_path / "model.tflite", contract)
    [picture], [expected] = known("transfer", "in"), known("transfer", "out")
    np.testing.assert_allclose(served.run({"picture": picture})[contract.outputs[0].name], expected, atol=1e-5)
    assert "Keras 2.15.0" in import_record(tmp_path / "out").changes[0]
    assert "Keras 2.15.0" in (tmp_path / "out" / "card.md").read_text()


@pytest.mark.parametrize(
    ("name", "why"),
    [("hard", r"gru.* hard_sigmoid.*unroll=True"), ("reversed_difference", r"math\.subtract .*no layer")],
)
def test_what_keras_3_would_compute_otherwise_is_refused_with_the_call_that_works(name: str, why: str) -> None:
    with pytest.raises(ForeignModelRefused, match=rf"Keras 2\.15\.0.*{why}.*model\.export\('FOLDER'\)"):
        read_model(FOLDER / f"{name}.keras")


def test_an_hdf5_file_whose_axes_keras_3_forgets_is_refused(tmp_path: Path) -> None:
    written = upgrade_hdf5(FOLDER / "axes.h5", tmp_path / "model.h5")
    with quiet():
        import keras

        model = keras.models.load_model(tmp_path / "model.h5", compile=False)

    with pytest.raises(ForeignModelRefused, match=r"softmax.*axis as -1, where the file says \[1, 2\]"):
        check_meaning(written, model)


def test_an_hdf5_file_with_a_function_that_is_another_one_now_is_refused_with_trust_too() -> None:
    with pytest.raises(ForeignModelRefused, match=r"gru.* hard_sigmoid.*model\.export\('FOLDER'\)"):
        read_model(FOLDER / "hard.h5", is_trusted=True)


def test_layers_in_another_order_would_get_each_others_weights() -> None:
    with quiet():
        import keras

        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="a"), keras.layers.Dense(3, name="b")])
        written = keras.saving.serialize_keras_object(model)
    written["config"]["layers"][1:] = reversed(written["config"]["layers"][1:])

    with pytest.raises(ForeignModelRefused, match="another order"):
        check_meaning(written, model)


def test_weights_that_no_layer_takes_are_told(tmp_path: Path) -> None:
    with ZipFile(FOLDER / "plain.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(FOLDER / "nested.keras") as archive:
        members["model.weights.h5"] = archive.read("model.weights.h5")
    with ZipFile(tmp_path / "mixed_up.keras", "w", ZIP_STORED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)

    with pytest.raises(ForeignModelRefused, match=r"Keras 2\.15\.0.*model\.export"):
        read_model(tmp_path / "mixed_up.keras")


def test_calls_of_a_model_in_a_model_are_counted_as_keras_3_does() -> None:
    own = {"class_name": "InputLayer", "config": {"name": "own"}, "name": "own", "inbound_nodes": []}
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [own]}, "name": "inner"}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x"}, "name": "x", "inbound_nodes": []},
        {**inner, "inbound_nodes": [[["x", 0, 0, {}]]]},
        {"class_name": "Dense", "config": {"name": "d"}, "name": "d", "inbound_nodes": [[["inner", 1, 0, {}]]]},
    ]

    made = as_keras_3({"class_name": "Functional", "config": {"layers": layers, "output_layers": [["inner", 1, 0]]}})

    assert made["config"]["layers"][2]["inbound_nodes"] == [[["inner", 0, 0, {}]]]
    assert made["config"]["output_layers"] == [["inner", 0, 0]]
