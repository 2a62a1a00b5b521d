"""A model of free length that ends the process for short inputs: refused with the limit, and nobody's process ends.

By a real file (`tests/fixtures/crashing/dies_of_short_inputs.tflite`), whose convolution looks at five steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import World, contract
from lambent.adapters.isolated_interpreter import IsolatedLoader
from lambent.adapters.litert import PLATFORM, LiteInterpreterLoader
from lambent.adapters.sacrificial_child import ForkedComputing, ForkedRehearsal
from lambent.contracts.model import ModelContract, RawOutputs, TensorPreprocessing, TensorSpec
from lambent.domain.lengths import free_dimensions
from lambent.domain.model import ModelRef
from lambent.errors import ProcessingCrashed, TensorShapeMismatch
from lambent.services.golden import GoldenVectors
from lambent.services.load_model import ModelCache
from lambent.services.new_shapes import NewShapesApart
from lambent.services.publish import publish_version
from lambent_toolkit.fakes import FakeInterpreter
from patience import PATIENCE_S

FILE = Path(__file__).parents[1] / "fixtures" / "crashing" / "dies_of_short_inputs.tflite"
COMPUTING = ForkedComputing(limit_s=lambda: PATIENCE_S, memory_bytes=None)
Arrays = Mapping[str, np.ndarray]


def declared() -> ModelContract:
    return ModelContract(
        name="series",
        inputs=(TensorSpec(name="series", datatype="FP32", shape=(-1, -1, 3)),),
        outputs=(TensorSpec(name="most", datatype="FP32", shape=(-1, 2)),),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )


def series(steps: int, *, rows: int = 1) -> dict[str, np.ndarray]:
    return {"series": np.random.default_rng(steps).random((rows, steps, 3), dtype=np.float32)}


def cache(world: World) -> tuple[ModelCache, ModelRef]:
    """Return versions as the functions have them, and the one of the file; its golden vectors have 12 steps."""
    inputs = series(12, rows=2)
    golden = GoldenVectors([], inputs, LiteInterpreterLoader().load(FILE, declared()).run(inputs))
    files = {"model.tflite": FILE.read_bytes(), "golden.npz": golden.to_npz()}
    ref = publish_version(files, declared(), store=world.store, registry=world.registry, clock=world.clock).ref
    apart = IsolatedLoader(LiteInterpreterLoader(), COMPUTING, platform=PLATFORM)
    rehearsal = ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=None)
    models = ModelCache(
        world.files, LiteInterpreterLoader(), world.clock, capacity_bytes=1_000_000, rehearsal=rehearsal, apart=apart
    )
    return models, ref


def test_what_is_too_short_is_refused_with_the_shortest_length_and_the_next_call_is_answered() -> None:
    models, ref = cache(World())
    interpreter = models.get(ref).interpreter

    for steps in (2, 4, 2, 1):
        with pytest.raises(TensorShapeMismatch) as refusal:
            interpreter.run(series(steps))
        assert (refusal.value.limit, refusal.value.got) == (5, steps)
        assert "shorter than 5" in refusal.value.detail

    for steps in (5, 7, 12, 30):
        plain = LiteInterpreterLoader().load(FILE, declared()).run(series(steps))
        for _ in range(2):
            np.testing.assert_array_equal(interpreter.run(series(steps))["most"], plain["most"])


class Counted:
    """An interpreter that notes the lengths it was given, and ends its process for short ones or for ones."""

    platform = "fake"

    def __init__(self, *, shortest: int = 1) -> None:
        self.lengths: list[int] = []
        self._shortest = shortest

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        self.lengths.append(inputs["series"].shape[1])
        if inputs["series"].shape[1] < self._shortest or bool((inputs["series"] == 1).all()):
            raise ProcessingCrashed("It died.", got="died of SIGSEGV")
        return {"most": inputs["series"][:, 0, :2]}


def guarded(apart: Counted, *, known: int = 16) -> tuple[NewShapesApart, Counted]:
    here = Counted()
    return NewShapesApart(here, apart, declared(), known=[series(known)]), here


def test_each_length_is_run_apart_once_whatever_the_number_of_rows() -> None:
    apart = Counted()
    interpreter, here = guarded(apart)

    for rows in (1, 3, 2):
        for steps in (16, 8, 9):
            interpreter.run(series(steps, rows=rows))

    assert apart.lengths == [8, 9]
    assert here.lengths == [16, 16, 8, 9, 16, 8, 9]


def test_a_length_that_dies_is_remembered_and_the_shortest_that_lives_is_looked_for_once() -> None:
    apart = Counted(shortest=6)
    interpreter, here = guarded(apart)

    for _ in range(3):
        with pytest.raises(TensorShapeMismatch):
            interpreter.run(series(3))

    assert apart.lengths == [3, 3, 9, 6, 4, 5]
    interpreter.run(series(6))
    assert here.lengths == [6]


def test_values_that_die_are_that_input_s_fault_and_its_length_is_served() -> None:
    interpreter, here = guarded(Counted())

    with pytest.raises(ProcessingCrashed):
        interpreter.run({"series": np.ones((1, 4, 3), np.float32)})
    interpreter.run(series(4))

    assert here.lengths == [4]


def test_without_a_longer_length_that_lives_no_limit_is_named() -> None:
    interpreter, _ = guarded(Counted(shortest=30), known=4)

    with pytest.raises(TensorShapeMismatch, match="longer or shorter") as refusal:
        interpreter.run(series(20))

    assert (refusal.value.limit, refusal.value.got) == (None, 20)


@pytest.mark.parametrize(
    ("inputs", "outputs", "is_free"),
    [([(-1, 2, 2, 1)], [(-1, 2)], False), ([(-1, -1)], [(-1, 2)], True), ([(4, 3)], [(4,)], False),
     ([(-1, 3)], [(2,)], True), ([(-1, 3), (-1, -1)], [(-1, 1)], True)],
)  # fmt: skip
def test_lengths_are_free_where_callers_choose_more_than_the_number_of_rows(
    inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]], is_free: bool
) -> None:
    specs: dict[str, Any] = {
        side: tuple(TensorSpec(name=f"{side}{n}", datatype="FP32", shape=shape) for n, shape in enumerate(shapes))
        for side, shapes in (("inputs", inputs), ("outputs", outputs))
    }

    assert bool(free_dimensions(contract(preprocessing=TensorPreprocessing(), **specs))) is is_free


def test_a_model_of_fixed_shapes_is_what_it_was() -> None:
    world = World()
    ref = world.publish()
    apart = IsolatedLoader(world.loader, COMPUTING, platform="x")
    models = ModelCache(world.files, world.loader, world.clock, capacity_bytes=1_000_000, apart=apart)

    assert isinstance(models.get(ref).interpreter, FakeInterpreter)
