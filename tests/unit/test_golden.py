"""Golden vectors: every place preprocesses to the same bits and predicts within the contract's tolerance."""

from dataclasses import replace

import numpy as np
import pytest

from builders import contract, golden_vectors, picture, tell_shade
from lambent.contracts.model import ImagePreprocessing, ModelContract, RawOutputs, TensorPreprocessing, TensorSpec
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import ModelContractMismatch
from lambent.services.golden import GoldenVectors, check_declared, verify_first_load, verify_golden
from lambent_toolkit.fakes import FakeInterpreter


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


PAIR = contract(
    inputs=(spec("a", "FP32", -1, 2), spec("b", "INT64", -1)),
    outputs=(spec("sum", "FP32", -1, 2), spec("odd", "BOOL", -1)),
    preprocessing=TensorPreprocessing(),
    postprocessing=RawOutputs(),
)


def add(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"sum": (inputs["a"] + inputs["b"][:, None]).astype(np.float32), "odd": inputs["b"] % 2 == 1}


def pairs(rows: int = 6) -> GoldenVectors:
    inputs = {"a": np.arange(2 * rows, dtype=np.float32).reshape(rows, 2), "b": np.arange(rows, dtype=np.int64)}
    return GoldenVectors([], inputs, add(inputs))


def verify(golden: GoldenVectors, declared: ModelContract, answer=tell_shade, **options: float) -> float:
    return verify_golden(golden, declared, make_preprocessor(declared, {}), FakeInterpreter(answer), **options)


def test_golden_vectors_survive_their_file_and_prove_agreement() -> None:
    golden = golden_vectors(contract(), tell_shade)

    back = GoldenVectors.from_npz(golden.to_npz())

    assert back.raw == golden.raw
    assert verify(back, contract(), output_tolerance=0.0) == 0.0


def test_several_inputs_and_outputs_of_any_datatype_are_proven() -> None:
    back = GoldenVectors.from_npz(pairs().to_npz())

    assert verify(back, PAIR, add) == 0.0
    with pytest.raises(ModelContractMismatch, match="not the golden ones") as refusal:
        verify(back, PAIR, lambda inputs: {**add(inputs), "odd": add(inputs)["odd"] ^ True})
    assert refusal.value.field == "golden.outputs.odd"


def test_other_preprocessing_and_other_outputs_are_refused() -> None:
    golden = golden_vectors(contract(), tell_shade)
    other = contract(preprocessing=ImagePreprocessing(height=2, width=2, channels=1, scale=1.0))

    with pytest.raises(ModelContractMismatch, match="Preprocessing"):
        verify(golden, other, output_tolerance=1.0)
    with pytest.raises(ModelContractMismatch, match="outputs") as refusal:
        verify(golden, contract(), lambda inputs: {"scores": tell_shade(inputs)["scores"][:, ::-1]})
    assert refusal.value.limit == 0.01
    assert refusal.value.got > 0.01


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_answer_that_is_no_number_never_passes(wrong: float) -> None:
    with pytest.raises(ModelContractMismatch):
        verify(
            golden_vectors(contract(), tell_shade),
            contract(),
            lambda inputs: {"scores": np.full_like(tell_shade(inputs)["scores"], wrong)},
            output_tolerance=1e300,
        )


def test_an_item_that_is_refused_here_refuses_the_version() -> None:
    golden = replace(golden_vectors(contract(), tell_shade), raw=[picture(0), b"no picture"])

    with pytest.raises(ModelContractMismatch, match="refuses a golden item"):
        verify(golden, contract())


GOLDEN = golden_vectors(contract(), tell_shade)


@pytest.mark.parametrize(
    "golden",
    [
        GoldenVectors([], {}, {}),
        GOLDEN.first(0),
        replace(GOLDEN, raw=GOLDEN.raw[:1]),
        replace(GOLDEN, tensors={"picture": GOLDEN.tensors["image"]}),
        replace(GOLDEN, tensors={"image": GOLDEN.tensors["image"].astype(np.float64)}),
        replace(GOLDEN, outputs={"scores": GOLDEN.outputs["scores"][:, :1]}),
    ],
    ids=["nothing", "no row", "item missing", "other name", "other datatype", "other shape"],
)
def test_vectors_that_are_not_the_contracts_are_refused(golden: GoldenVectors) -> None:
    with pytest.raises(ModelContractMismatch):
        check_declared(golden, contract())


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 torn", GOLDEN.to_npz()[:100]])
def test_a_file_that_is_not_golden_is_refused(body: bytes) -> None:
    with pytest.raises(ModelContractMismatch):
        GoldenVectors.from_npz(body)


def test_a_first_load_verifies_four_rows_one_a_call() -> None:
    calls: list[int] = []

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(inputs["a"]))
        return add(inputs)

    verify_first_load(pairs(rows=6), PAIR, make_preprocessor(PAIR, {}), FakeInterpreter(answer))

    assert calls == [1, 1, 1, 1]


def test_rows_that_cannot_be_told_apart_are_verified_in_one_call() -> None:
    fixed = contract(
        inputs=(spec("a", "FP32", 6, 2), spec("b", "INT64", 6)),
        outputs=PAIR.outputs,
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )
    calls: list[int] = []

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(inputs["a"]))
        return add(inputs)

    verify_first_load(pairs(rows=6), fixed, make_preprocessor(fixed, {}), FakeInterpreter(answer))

    assert calls == [6]


@pytest.mark.parametrize(("row_numbers", "kept"), [(10, 20), (30_000, 8), (1_000_000, 4)])
def test_a_sample_is_small_enough_to_be_read_at_every_cold_start(row_numbers: int, kept: int) -> None:
    tensors = {"x": np.zeros((25, row_numbers), dtype=np.float32)}

    sample = GoldenVectors([b"item"] * 25, tensors, {"y": np.zeros((25, 1), dtype=np.float32)}).sample(20)

    assert (len(sample.raw), len(sample.tensors["x"]), len(sample.outputs["y"])) == (kept, kept, kept)


def test_a_sample_of_tensors_without_items_is_cut_by_the_size_of_their_rows() -> None:
    tensors = {"x": np.zeros((5_000, 100), dtype=np.float32)}

    sample = GoldenVectors([], tensors, {"y": np.zeros((5_000, 1), dtype=np.float32)}).sample(20)

    assert (len(sample.tensors["x"]), len(sample.outputs["y"])) == (20, 20)
