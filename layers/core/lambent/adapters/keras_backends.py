"""What Keras leaves to its backends: compiling a model once a shape, and saying that the memory is exhausted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from lambent.adapters.keras_structure import call_flat, flat_outputs, pack_inputs
from lambent.contracts.tensor import Array
from lambent.errors import MemoryExhausted, WorkerUnfit

Call = Callable[[list[Array]], list[Array]]


def compile_model(model: Any) -> Call:
    """Return a model's inference as a function of its inputs, in their order.

    The function raises MemoryExhausted.

    Raises
    ------
    WorkerUnfit   Keras runs on another backend than TensorFlow and JAX
    """
    backend = keras.backend.backend()
    makers = {"tensorflow": _on_tensorflow, "jax": _on_jax}
    if backend not in makers:
        raise WorkerUnfit(f"The worker runs Keras on {' or '.join(makers)}, KERAS_BACKEND is {backend}.")
    return makers[backend](model)


def has_gpu() -> bool:
    """Return whether the backend computes on a GPU."""
    if keras.backend.backend() == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _on_tensorflow(model: Any) -> Call:
    import tensorflow as tf

    # XLA pays on GPUs; on processors oneDNN's kernels are several times faster than what it makes of convolutions.
    call = tf.function(lambda arrays: call_flat(model, arrays), jit_compile=has_gpu(), autograph=False)

    def run(arrays: list[Array]) -> list[Array]:
        try:
            return _outputs(call(arrays))
        except tf.errors.ResourceExhaustedError as exc:
            raise _exhausted(arrays) from exc

    return run


def _on_jax(model: Any) -> Call:
    import jax

    trained, others = ([each.value for each in group] for group in _variables(model))
    call = jax.jit(
        lambda trained, others, arrays: flat_outputs(
            model.stateless_call(trained, others, pack_inputs(model, arrays), training=False)[0]
        )
    )

    def run(arrays: list[Array]) -> list[Array]:
        try:
            return _outputs(call(trained, others, arrays))
        except jax.errors.JaxRuntimeError as exc:
            # XLA's errors begin with the name of their status (absl/status/status.h); they have no other mark.
            if str(exc).startswith("RESOURCE_EXHAUSTED"):
                raise _exhausted(arrays) from exc
            raise

    return run


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables


def _outputs(answer: list[Any]) -> list[Array]:
    # Both backends compute later than they are called, and fail where the result is asked for: here.
    return [np.asarray(each) for each in answer]


def _exhausted(arrays: list[Array]) -> MemoryExhausted:
    shapes = [list(array.shape) for array in arrays]
    return MemoryExhausted("The worker has too little memory for a batch of this shape.", field="inputs", got=shapes)
