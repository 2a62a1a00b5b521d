"""Models of the kinds that people bring: imported, converted, and answering as Keras does, or refused with the reason.

All in one process, so that TensorFlow starts once. The largest differences are printed with ``pytest -s``.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from architectures import Architecture, architectures

from lambent.contracts.model import ModelContract
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ConversionFailed
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.selective_quantization import SelectiveQuantizer
from lambent_toolkit.modelkit.sensitivity import run_file
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.variant_files import converter_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    # Keras says so of masks that a layer does not pass on, which is what some kinds are about.
    pytest.mark.filterwarnings("ignore:Layer '.*was passed an input with a mask:UserWarning"),
]
SEED = 5
FEWEST = 40
# What no message may hold: the converter's own language, and where files lay for a moment.
FOREIGN_WORDS = ("loc(", "<unknown>", "error:", "tf.", "/tmp", "Traceback", "keras.src", "lambent_toolkit.")
KINDS = architectures()


def imported(kind: Architecture, name: str, folder: Path) -> tuple[ModelContract, bytes, GoldenVectors]:
    """Build a model, save it as its maker would, and import it by the contract that is drafted for it."""
    source = folder / "theirs.keras"
    with quiet():
        import keras

        keras.utils.set_random_seed(SEED)
        kind.build().save(source)
    contract = draft_contract(name.replace("_", "-"), read_model(source).signature).contract
    import_model(source, contract, folder / "imported")
    golden = GoldenVectors.from_npz((folder / "imported" / "golden.keras.npz").read_bytes())
    return contract, (folder / "imported" / "model.keras").read_bytes(), golden


def difference(file: bytes, contract: ModelContract, golden: GoldenVectors) -> float:
    answers = run_file(file, contract, golden.tensors)
    return max(float(np.max(np.abs(answers[name].astype(np.float64) - own))) for name, own in golden.outputs.items())


def test_there_are_forty_kinds() -> None:
    assert len(KINDS) >= FEWEST


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.refusal is None])
def test_a_model_answers_from_its_tflite_file_as_it_does_in_keras(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    contract, model, golden = imported(kind, name, tmp_path)

    convert = converter_of(KerasFloat(model), contract)

    assert (kind.told or "") in "; ".join(convert.changes)
    assert bool(kind.told) == bool(convert.changes)
    largest = difference(convert("float32", None), contract, golden)
    print(f"{name}: {largest:.1e}")
    assert largest <= kind.tolerance
    if kind.int8 is not None:
        assert difference(convert("int8", golden.tensors), contract, golden) <= kind.int8


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.refusal])
def test_a_model_without_a_tflite_form_is_refused_in_words_of_ours(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    contract, model, _ = imported(kind, name, tmp_path)

    with pytest.raises(ConversionFailed) as refused:
        converter_of(KerasFloat(model), contract)("float32", None)

    message = str(refused.value)
    assert (kind.refusal or "") in message
    assert "--variant" not in message
    assert not [word for word in FOREIGN_WORDS if word in message]


@pytest.mark.parametrize(
    ("name", "layer"), [("mixed_float16_that_ends_in_float32", "conv2d"), ("simple_rnn", "simple_rnn")]
)
def test_a_model_made_otherwise_is_still_taken_apart_by_its_own_layers(name: str, layer: str, tmp_path: Path) -> None:
    contract, model, golden = imported(KINDS[name], name, tmp_path)

    quantizer = SelectiveQuantizer(model, contract, golden.tensors)

    layers = [each.layer for each in quantizer.layers]
    assert any(each.startswith(layer) for each in layers)
    assert difference(quantizer.quantize(float_layers=layers), contract, golden) <= 0.02
    assert difference(quantizer.quantize(), contract, golden) <= 0.1


def test_a_length_that_the_contract_fixes_is_the_one_that_is_unrolled(tmp_path: Path) -> None:
    name = "lstm_over_any_time"
    free, model, _ = imported(KINDS[name], name, tmp_path)
    fixed = msgspec.structs.replace(free.inputs[0], shape=(-1, 4, 3))
    contract = msgspec.structs.replace(free, inputs=(fixed,))
    rows = {fixed.name: np.random.default_rng(SEED).standard_normal((2, 4, 3)).astype(np.float32)}

    convert = converter_of(KerasFloat(model), contract)
    answers = run_file(convert("float32", None), contract, rows)

    own = from_keras_file(model)(rows[fixed.name])
    assert "memory (4 steps)" in convert.changes[0]
    np.testing.assert_allclose(answers[contract.outputs[0].name], own, atol=1e-5)
