"""The smallest inputs that a model answers are found where it is brought, and stand in its contract.

By real files of `tests/fixtures/crashing`, each length in a child process, and by fakes where the search itself is
looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from lambent.contracts.model import (
    ModelContract,
    Preprocessing,
    RawOutputs,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.contract_check import check_contract
from lambent.errors import ModelContractMismatch
from lambent_toolkit.modelkit.errors import ServingRefused
from lambent_toolkit.modelkit.importing import shortest_lengths
from lambent_toolkit.modelkit.importing.golden_items import generated
from lambent_toolkit.modelkit.importing.lengths_program import NOT_BY_INPUTS, LiteTrial, min_shapes
from lambent_toolkit.modelkit.importing.shortest_lengths import Found, with_min_shapes

CRASHING = Path(__file__).parents[2] / "fixtures" / "crashing"
SERIES = {"series": (-1, -1, 3)}
PICTURES = {"picture": (-1, -1, -1, 3)}
TOKENS = {"ids": (-1, -1), "mask": (-1, -1)}
Sizes = dict[str, tuple[int, ...]]


def declared(
    inputs: Sizes, *, numbers: int = 2, datatype: str = "FP32", preprocessing: Preprocessing | None = None
) -> ModelContract:
    return ModelContract(
        name="lengths",
        inputs=tuple(TensorSpec(name=name, datatype=datatype, shape=shape) for name, shape in inputs.items()),
        outputs=(TensorSpec(name="scores" if "ids" in inputs else "most", datatype="FP32", shape=(-1, numbers)),),
        preprocessing=preprocessing or TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )


def found_by(contract: ModelContract, answers: Callable[[Sizes], bool]) -> tuple[Sizes | None, list[Sizes]]:
    """Return the smallest shapes, and the shapes that were tried, for a model that answers as ``answers`` says."""
    tried: list[Sizes] = []

    def is_answered(inputs: dict[str, np.ndarray]) -> bool:
        tried.append({name: array.shape for name, array in inputs.items()})
        return answers(tried[-1])

    return min_shapes(contract, is_answered), tried


@pytest.mark.parametrize(
    ("name", "contract", "smallest"),
    [
        ("dies_of_short_inputs", declared(SERIES), {"series": (1, 5, 3)}),
        ("dies_of_short_texts", declared(TOKENS, datatype="INT32"), {"ids": (1, 5), "mask": (1, 5)}),
        ("tells_memory", declared(SERIES, numbers=3), {"series": (1, 2, 3)}),
        ("dies_of_all_lengths", declared(SERIES), None),
    ],
)
def test_a_file_is_tried_from_one_on_and_this_process_survives_what_does_not_live(
    name: str, contract: ModelContract, smallest: Sizes | None
) -> None:
    trial = LiteTrial(CRASHING / f"{name}.tflite", contract)

    assert min_shapes(contract, trial) == smallest
    assert trial.end == ("" if smallest else "the process died of SIGSEGV")


@pytest.mark.parametrize("shortest", [1, 2, 16, 17, 40, 64, 75, 1000])
def test_the_shortest_is_found_to_the_step_however_long_it_is_and_no_length_is_tried_twice(shortest: int) -> None:
    smallest, tried = found_by(declared(SERIES), lambda shapes: shapes["series"][1] >= shortest)

    lengths = [shapes["series"][1] for shapes in tried]
    assert smallest == {"series": (1, shortest, 3)}
    assert len(set(lengths)) == len(lengths) <= 40
    assert {shapes["series"][0] for shapes in tried} == {1}


def test_lengths_need_not_live_from_one_on_without_a_gap() -> None:
    smallest, _ = found_by(declared(SERIES), lambda shapes: shapes["series"][1] % 6 == 0)

    assert smallest == {"series": (1, 6, 3)}


def test_height_and_width_are_looked_for_each_by_itself() -> None:
    smallest, _ = found_by(declared(PICTURES), lambda shapes: shapes["picture"][1] >= 7 and shapes["picture"][2] >= 3)

    assert smallest == {"picture": (1, 7, 3, 3)}


def test_dimensions_that_belong_together_keep_one_length() -> None:
    def answers(shapes: Sizes) -> bool:
        return shapes["ids"] == shapes["mask"] and shapes["ids"][1] >= 4

    assert found_by(declared(TOKENS), answers)[0] == {"ids": (1, 4), "mask": (1, 4)}


def test_dimensions_that_are_answered_one_by_one_but_not_all_together_keep_one_length() -> None:
    smallest, _ = found_by(declared(PICTURES), lambda shapes: shapes["picture"][1] * shapes["picture"][2] >= 36)

    assert smallest == {"picture": (1, 6, 6, 3)}


def test_a_first_dimension_that_is_no_number_of_rows_has_a_shortest_length_too() -> None:
    contract = msgspec.structs.replace(
        declared({"signal": (-1, 3)}), outputs=(TensorSpec(name="level", datatype="FP32", shape=(2,)),)
    )

    assert found_by(contract, lambda shapes: shapes["signal"][0] >= 9)[0] == {"signal": (9, 3)}


def test_no_length_is_tried_that_no_request_could_hold_and_no_text_may_have() -> None:
    text = TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=24, ids_input="ids", mask_input="mask")

    smallest, tried = found_by(declared(PICTURES), lambda _: False)
    of_texts, tried_texts = found_by(declared(TOKENS, datatype="INT32", preprocessing=text), lambda _: False)

    assert (smallest, of_texts) == (None, None)
    assert max(shapes["picture"][1] for shapes in tried) == 1024  # squared, three FP32 each: 12.6 MB
    assert max(shapes["ids"][1] for shapes in tried_texts) == 24


def answered_from(monkeypatch: pytest.MonkeyPatch, found: Found) -> None:
    monkeypatch.setattr(shortest_lengths, "tflite_min_shapes", lambda _model, _contract: found)


def test_a_contract_says_what_was_found_and_more_where_it_said_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answered_from(monkeypatch, Found({"series": (1, 5, 3)}))
    contract = declared(SERIES)
    stricter = msgspec.structs.replace(
        contract, inputs=(msgspec.structs.replace(contract.inputs[0], min_shape=(1, 8, 3)),)
    )

    assert with_min_shapes({"model.tflite": b""}, contract).inputs[0].min_shape == (1, 5, 3)
    assert with_min_shapes({"model.tflite": b""}, stricter).inputs[0].min_shape == (1, 8, 3)


def test_a_model_that_survives_no_length_is_refused_by_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    answered_from(monkeypatch, Found(None, "the process died of SIGSEGV"))

    with pytest.raises(ServingRefused, match=r"no length.*SIGSEGV") as refusal:
        with_min_shapes({"model.tflite": b""}, declared(SERIES))

    assert refusal.value.code == "model_load_failed"


def test_a_model_that_answers_no_finite_numbers_is_left_to_who_tells_that(monkeypatch: pytest.MonkeyPatch) -> None:
    answered_from(monkeypatch, Found(None, NOT_BY_INPUTS))

    assert with_min_shapes({"model.tflite": b""}, declared(SERIES)) == declared(SERIES)


def test_a_contract_without_free_lengths_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortest_lengths, "tflite_min_shapes", None)
    contract = declared({"row": (-1, 4)})

    assert with_min_shapes({"model.tflite": b""}, contract) is contract


@pytest.mark.parametrize(("least", "length"), [(None, 16), (1, 16), (5, 20), (16, 16), (40, 40)])
def test_golden_vectors_are_long_enough_and_a_multiple_of_what_the_model_needs(least: int | None, length: int) -> None:
    contract = declared({"one": (-1, -1, 3), "other": (-1, -1)})
    smallest = None if least is None else (1, least, 3)
    longer = msgspec.structs.replace(contract.inputs[0], min_shape=smallest)

    golden = generated(msgspec.structs.replace(contract, inputs=(longer, contract.inputs[1])), {})

    assert {name: array.shape[1:] for name, array in golden.tensors.items()} == {"one": (length, 3), "other": (length,)}


def test_a_contract_of_before_is_read_and_one_without_smallest_shapes_is_written_as_before() -> None:
    body = msgspec.json.encode(declared(SERIES))

    assert b"min_shape" not in body
    assert msgspec.json.decode(body, type=ModelContract) == declared(SERIES)


@pytest.mark.parametrize(
    ("side", "shape", "smallest", "field"),
    [
        ("inputs", (-1, -1, 3), (1, 5), "inputs.series.min_shape"),
        ("inputs", (-1, -1, 3), (1, 5, 2), "inputs.series.min_shape"),
        ("outputs", (-1, 2), (1, 2), "outputs.most.min_shape"),
    ],
)
def test_a_smallest_shape_that_is_none_of_its_input_s_is_refused(
    side: str, shape: tuple[int, ...], smallest: tuple[int, ...], field: str
) -> None:
    contract = declared(SERIES)
    (spec,) = getattr(contract, side)
    odd = msgspec.structs.replace(spec, shape=shape, min_shape=smallest)

    with pytest.raises(ModelContractMismatch) as refusal:
        check_contract(msgspec.structs.replace(contract, **{side: (odd,)}))

    assert refusal.value.field == field


def test_a_text_can_be_padded_to_what_the_model_needs() -> None:
    text = TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=4, ids_input="ids", pad_to="longest")
    contract = declared({"ids": (-1, -1)}, datatype="INT32", preprocessing=text)
    (ids,) = contract.inputs

    check_contract(msgspec.structs.replace(contract, inputs=(msgspec.structs.replace(ids, min_shape=(1, 4)),)))
    with pytest.raises(ModelContractMismatch, match="longer than any text") as refusal:
        check_contract(msgspec.structs.replace(contract, inputs=(msgspec.structs.replace(ids, min_shape=(1, 5)),)))

    assert refusal.value.limit == 4
