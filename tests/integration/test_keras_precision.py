"""Half precision, which workers use on GPUs where the answers allow it; computed here on a processor."""

import numpy as np
import pytest
from trained import FOREIGN_WARNINGS

from builders import contract
from lambent.domain.preprocessing.padding import largest_batch

pytestmark = FOREIGN_WARNINGS


def small_model(scale: float):
    import keras

    image = keras.Input((2, 2, 1), name="image")
    wide = keras.layers.Conv2D(4, 2, activation="relu", kernel_initializer=keras.initializers.GlorotUniform(seed=3))
    mean = keras.layers.Flatten()(wide(image))
    scores = keras.layers.Dense(2, name="scores", kernel_initializer=keras.initializers.Constant(scale))(mean)
    return keras.Model(image, scores)


def test_half_precision_keeps_the_weights_and_computes_in_16_bits() -> None:
    from lambent.adapters.keras_model import KerasInterpreter
    from lambent.adapters.keras_precision import agree, in_half_precision

    model = small_model(0.1)
    half = in_half_precision(model)

    assert {layer.compute_dtype for layer in half.layers if layer.weights} == {"float16"}
    assert {str(weight.dtype) for weight in half.weights} == {"float32"}
    for ours, theirs in zip(model.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    exact, fast = KerasInterpreter(model, contract()), KerasInterpreter(half, contract())
    assert agree(exact, fast, contract())
    assert fast.run(largest_batch(contract(), 3))["scores"].dtype == np.float32


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_a_model_whose_answers_half_precision_changes_is_not_run_in_it() -> None:
    from lambent.adapters.keras_model import KerasInterpreter
    from lambent.adapters.keras_precision import agree, in_half_precision

    model = small_model(1e5)  # over the largest float16

    half = KerasInterpreter(in_half_precision(model), contract())
    assert not agree(KerasInterpreter(model, contract()), half, contract())
