"""A Keras model as TensorFlow's converter takes it: built anew where it must be, with the same weights and answers.

Two kinds of layers have no TensorFlow Lite form as they are, and have one when they are built otherwise:

- Recurrent layers, which are loops over lists of tensors. Unrolled they are plain arithmetic, once for every step of a
  time that must be fixed.
- Layers that compute in float16, bfloat16 or float64, such as those of ``mixed_float16``. Their weights are 32-bit
  floats already, and so is all arithmetic of a .tflite file.

The copy is made by Keras's own saving and loading, between which its configuration is changed: models within models,
wrappers and shared layers come back as they were. Before it is used, its answers are held against the model's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from lambent.contracts.model import TensorSpec
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import KERAS_FILE
from lambent_toolkit.modelkit.errors import ConversionFailed
from lambent_toolkit.modelkit.keras_files import Config, with_config
from lambent_toolkit.modelkit.tensorflow_quiet import quiet

if TYPE_CHECKING:
    import keras

_RECURRENT = frozenset({"RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
_OTHER_FLOATS = frozenset({"mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"})
_POLICIES = frozenset({"DTypePolicy", "FloatDTypePolicy", "QuantizedDTypePolicy"})
_SINGLE = "float32"
# Of all layers together. A step is some 14 (LSTM) to 17 operators (GRU), 3 kB and a tenth of a second of conversion.
_MOST_STEPS, _MANY_STEPS = 2_000, 200
_OPERATORS_A_STEP, _SECONDS_A_STEP = 15, 0.1
_DEPTH = 3  # of models in models whose lengths are looked for
_ROWS = 4
_FREE_LENGTH = 16
_SEED = 11
# Of the largest answer, or of 1 if that is less: what sums in another order come to, and what 8 bits of mantissa may.
_TOLERANCE = 1e-4
_TOLERANCE_OF_HALVES = 5e-2


@dataclass(frozen=True)
class Convertible:
    """A model that the converter takes.

    Parameters
    ----------
    model     the one that was given, or its copy
    changes   how the copy differs, as phrases; none for the one that was given
    """

    model: keras.Model
    changes: tuple[str, ...] = ()


def convertible(model: keras.Model, inputs: Sequence[TensorSpec], *, is_trusted: bool = False) -> Convertible:
    """Return a model as the converter takes it; one that it takes as it is comes back itself.

    Parameters
    ----------
    model        Keras 3
    inputs       what will be served, in the model's order; a dimension may be fixed here that is free in the model
    is_trusted   whether code in the model's configuration may run once more

    Raises
    ------
    ConversionFailed   a recurrent layer has a free time or keeps its state between calls, or there are too many steps;
                       or the copy answers otherwise
    """
    with quiet():
        loops, floats = list(_loops(model)), _other_floats(model)
        if not loops and not floats:
            return Convertible(model)
        _check_stateless(loops)
        copy = _copy(model, lambda config: _with_shapes(config, model, inputs), is_trusted=is_trusted)
        copy = _with_lengths_inside(copy, is_trusted=is_trusted)
        steps = _steps(copy, has_contract=not is_trusted)
        _check_number(steps, sum(steps[layer.name] for layer, _ in _loops(copy)))
        copy = _copy(copy, _rebuilt, is_trusted=is_trusted)
        _mend_backward_masks(copy)
        difference = _difference(model, copy, inputs)
    limit = _TOLERANCE_OF_HALVES if floats else _TOLERANCE
    if not difference <= limit:
        raise ConversionFailed(
            f"Made for the converter ({'; '.join(_changes(steps, floats))}), the model answers otherwise: by "
            f"{difference:.2g} of its largest answer, where rounding explains {limit:g}. Train it in float32, with "
            "unroll=True in its recurrent layers."
        )
    return Convertible(copy, (*_changes(steps, floats), f"its answers move by {difference:.1g}"))


def _loops(model: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every recurrent layer that is not unrolled, behind the layer that its maker put into the model."""
    import keras

    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.Model):
            yield from _loops(layer)
        else:
            inner = (each for each in layer._flatten_layers() if isinstance(each, keras.layers.RNN))  # noqa: SLF001
            yield from ((layer, each) for each in inner if not each.unroll)


def _other_floats(model: Any) -> list[str]:
    """Return the policies and types of other floats that layers and operations compute in, sorted."""
    found = set()
    for layer in model._flatten_layers():  # noqa: SLF001 - there is no public way into wrappers
        policy = layer.dtype_policy
        found |= {policy.name, getattr(policy, "source_name", None)}
        found |= {getattr(each, "dtype", None) for each in getattr(layer, "operations", ())}
    return sorted(_OTHER_FLOATS & found)


def _check_stateless(loops: list[tuple[Any, Any]]) -> None:
    for layer, loop in loops:
        if loop.stateful:
            raise ConversionFailed(
                f"Layer {layer.name} keeps its state from call to call (stateful=True), so that its answers depend on "
                "who asked before: build it with stateful=False, load the same weights, and save it again."
            )


def _steps(model: Any, *, has_contract: bool) -> dict[str, int]:
    """Return for how many steps each layer is unrolled; raises ConversionFailed where that is free."""
    found = {}
    for layer, loop in _loops(model):
        for shape in _sequence_shapes(layer, loop):
            if shape[0] is None:
                where = "in the contract's inputs (a number in place of -1)" if has_contract else "in its keras.Input"
                raise ConversionFailed(
                    f"Layer {layer.name} is recurrent over a time of any length, which no .tflite file can be: fix the "
                    f"length, {where}."
                )
            found[layer.name] = shape[0]
    return found


def _check_number(steps: dict[str, int], total: int) -> None:
    if total > _MOST_STEPS:
        told = ", ".join(f"{name} {number}" for name, number in steps.items())
        raise ConversionFailed(
            f"Unrolled, its recurrent layers would be {total:,} steps ({told}), at most {_MOST_STEPS:,} are converted: "
            f"each is some {_OPERATORS_A_STEP} operators of the .tflite file, all of them about "
            f"{total * _OPERATORS_A_STEP:,} and {total * _SECONDS_A_STEP / 60:.0f} minutes for each form. Shorten the "
            "time: pool or stride over it before the recurrent layers, or cut the sequences, and train it so."
        )


def _sequence_shapes(layer: Any, loop: Any) -> Iterator[tuple[int | None, ...]]:
    """Yield the shapes of what a recurrent layer gets wherever it is called, from its time on."""
    import keras

    calls, place = (loop._inbound_nodes, loop) if loop._inbound_nodes else (layer._inbound_nodes, layer)  # noqa: SLF001
    axis = 1
    while isinstance(place, keras.layers.TimeDistributed):
        axis, place = axis + 1, place.layer
    for call in calls:
        yield tuple(call.input_tensors[0].shape[axis:])


def _copy(model: Any, change: Callable[[Config], Config], *, is_trusted: bool) -> Any:
    import keras

    with TemporaryDirectory() as name:
        saved, changed = Path(name) / "saved.keras", Path(name) / KERAS_FILE
        model.save(saved)
        with_config(saved, changed, change)
        return keras.models.load_model(changed, compile=False, safe_mode=not is_trusted)


def _with_shapes(config: Config, model: Any, inputs: Sequence[TensorSpec]) -> Config:
    """Return the configuration with the dimensions fixed that are fixed in the contract."""
    shapes = {
        tensor._keras_history.operation.name: [None, *(None if dim == -1 else dim for dim in spec.shape[1:])]  # noqa: SLF001
        for tensor, spec in zip(model.inputs, inputs, strict=True)
    }
    layers = [_with_shape(each, shapes) for each in config["config"].get("layers", ())]
    return {**config, "config": {**config["config"], "layers": layers}}


def _with_lengths_inside(model: Any, *, is_trusted: bool) -> Any:
    """Return a model in which models that leave a length free have the one that they are called with."""
    for _ in range(_DEPTH):
        loops = _loops(model)
        if all(shape[0] is not None for layer, loop in loops for shape in _sequence_shapes(layer, loop)):
            break
        model = _copy(model, partial(_with_calls, model=model), is_trusted=is_trusted)
    return model


def _with_calls(config: Config, *, model: Any) -> Config:
    own = {layer.name: layer for layer in model.layers if hasattr(layer, "layers")}
    layers = [_as_called(each, own.get(each["config"].get("name"))) for each in config["config"].get("layers", ())]
    return {**config, "config": {**config["config"], "layers": layers}}


def _as_called(config: Config, model: Any) -> Config:
    """Return the configuration of a model in a model with the shapes of its calls, where all have the same."""
    calls = [[tensor.shape for tensor in call.input_tensors] for call in model._inbound_nodes] if model else []  # noqa: SLF001
    if not calls or any(call != calls[0] for call in calls):
        return config
    names = [tensor._keras_history.operation.name for tensor in model.inputs]  # noqa: SLF001
    shapes = {name: list(shape) for name, shape in zip(names, calls[0], strict=True)}
    inner = _with_calls(config, model=model)
    layers = [_with_shape(each, shapes) for each in inner["config"]["layers"]]
    return {**inner, "config": {**inner["config"], "layers": layers}}


def _with_shape(layer: Config, shapes: dict[str, list[int | None]]) -> Config:
    inner = layer["config"]
    if layer["class_name"] != "InputLayer" or inner["name"] not in shapes:
        return layer
    batch, *own = inner["batch_shape"]
    shape = [mine if mine is not None else asked for mine, asked in zip(own, shapes[inner["name"]][1:], strict=True)]
    return {**layer, "config": {**inner, "batch_shape": [batch, *shape]}}


def _rebuilt(value: Any) -> Any:
    """Return a configuration with recurrent layers unrolled and all floats of 32 bits."""
    if isinstance(value, list):
        return [_rebuilt(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    changed = {name: _rebuilt(each) for name, each in value.items()}
    if isinstance(value.get("dtype"), str) and value["dtype"] in _OTHER_FLOATS:
        changed["dtype"] = _SINGLE
    if kind in _RECURRENT:
        changed["config"] = {**changed["config"], "unroll": True}
    if kind in _POLICIES:
        changed["config"] = {
            name: _SINGLE if each in _OTHER_FLOATS else each for name, each in changed["config"].items()
        }
    return changed


def _mend_backward_masks(model: Any) -> None:
    """Let unrolled layers that go backwards leave out the right steps.

    Keras 3.15 zeroes what a mask leaves out (``zero_output_for_mask``) by the mask in its own order, where the steps of
    an unrolled layer that goes backwards are in the reverse order (keras/src/backend/tensorflow/rnn.py).
    """
    import keras

    for layer in model._flatten_layers():  # noqa: SLF001
        if isinstance(layer, keras.layers.RNN) and layer.go_backwards and layer.zero_output_for_mask:
            layer.zero_output_for_mask = False
            layer.inner_loop = partial(_zeroed_backwards, layer.inner_loop)


def _zeroed_backwards(
    inner_loop: Callable[..., Any], sequences: Any, initial_state: Any, mask: Any, training: bool = False
) -> Any:
    import keras

    last, outputs, states = inner_loop(sequences=sequences, initial_state=initial_state, mask=mask, training=training)
    if mask is None:
        return last, outputs, states
    is_kept = keras.ops.flip(keras.ops.reshape(mask, (-1, outputs.shape[1])), axis=1)
    is_kept = keras.ops.reshape(is_kept, (-1, outputs.shape[1], *[1] * (len(outputs.shape) - 2)))
    outputs = keras.ops.where(is_kept, outputs, keras.ops.zeros_like(outputs))
    return outputs[:, -1], outputs, states


def _difference(model: Any, copy: Any, inputs: Sequence[TensorSpec]) -> float:
    """Return the largest difference of two models' answers to seeded noise, as a share of the largest, or of 1."""
    noise = _noise(inputs)
    pairs = zip(_answers(model, noise), _answers(copy, noise), strict=True)
    # A maximum of NumPy's own is NaN where one answer is.
    return float(np.max([np.max(np.abs(own - other)) / max(1.0, np.max(np.abs(own))) for own, other in pairs]))


def _answers(model: Any, arrays: list[Array]) -> list[Array]:
    import keras

    # A Sequential model that was loaded does not tell its input's structure; it has one only.
    given = arrays[0] if isinstance(model, keras.Sequential) else keras.tree.pack_sequence_as(model.input, arrays)
    answer = model(given, training=False)
    return [np.asarray(keras.ops.cast(each, "float32"), np.float64) for each in keras.tree.flatten(answer)]


def _noise(inputs: Sequence[TensorSpec]) -> list[Array]:
    random = np.random.default_rng(_SEED)
    return [_some(spec, random) for spec in inputs]


def _some(spec: TensorSpec, random: np.random.Generator) -> Array:
    first, *rest = spec.shape
    shape = (_ROWS if first == -1 else first, *(_FREE_LENGTH if dim == -1 else dim for dim in rest))
    dtype = DTYPE_BY_DATATYPE[spec.datatype]
    # Whole numbers may be token ids: 0 and 1 are in every vocabulary, and 0 is what masks leave out.
    return (random.integers(0, 2, shape) if dtype.kind in "iub" else random.standard_normal(shape)).astype(dtype)


def _changes(steps: dict[str, int], floats: list[str]) -> Iterator[str]:
    if steps:
        told = ", ".join(f"{name} ({number} steps)" for name, number in steps.items())
        total = sum(steps.values())
        size = f"; about {total * _OPERATORS_A_STEP:,} operators, so that each form takes its time"
        yield f"recurrent layers unrolled: {told}{size if total > _MANY_STEPS else ''}"
    if floats:
        yield f"computed in float32, where the model says {', '.join(floats)}"
