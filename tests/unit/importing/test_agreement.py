"""Contract against model: every contradiction at once, with what was expected, what was got and how to mend it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lambent.contracts.model import Classification, ModelContract, RawOutputs, TensorPreprocessing, TensorSpec
from lambent_toolkit.modelkit.errors import ContractDisagrees
from lambent_toolkit.modelkit.importing.agreement import check_agreement, contradictions
from lambent_toolkit.modelkit.importing.signature import Quantized, Signature


def spec(name: str, *shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


X, Y = spec("x", -1, 3), spec("y", -1, 2)
MODEL = Signature((X,), (Y,))
KERAS = Signature((X,), (Y,), is_named=False)


def contract(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = (Y,), **more: object) -> ModelContract:
    fields = {"preprocessing": TensorPreprocessing(), "postprocessing": RawOutputs(), **more}
    return ModelContract(name="m", inputs=inputs or (X,), outputs=outputs, **fields)


def wheres(declared: ModelContract, signature: Signature = MODEL) -> list[str]:
    return [found.where for found in contradictions(declared, signature, {})]


@pytest.mark.parametrize("signature", [MODEL, KERAS])
def test_a_contract_of_the_model_passes(signature: Signature) -> None:
    check_agreement(contract(), signature, {})


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (contract(spec("z", -1, 3)), ["inputs"]),
        (contract(X, spec("z", -1, 1)), ["inputs"]),
        (contract(spec("x", -1, 3, datatype="INT32")), ["inputs.x.datatype"]),
        (contract(spec("x", -1, 4)), ["inputs.x.shape"]),
        (contract(spec("x", -1, -1)), ["inputs.x.shape"]),
        (contract(spec("x", -1, 3, 1)), ["inputs.x.shape"]),
        (contract(outputs=(spec("y", -1, 5),)), ["outputs.y.shape"]),
        (contract(spec("z", -1, 4, datatype="FP16")), ["inputs", "inputs.z.datatype", "inputs.z.shape"]),
    ],
)
def test_each_contradiction_is_found_where_it_stands(declared: ModelContract, found: list[str]) -> None:
    assert wheres(declared) == found


def test_a_fixed_batch_of_the_contract_narrows_a_free_one_of_the_model() -> None:
    assert not wheres(contract(spec("x", 1, 3)))


def test_a_file_made_for_one_row_says_how_to_convert_it_again() -> None:
    fixed = Signature((spec("x", 1, 3),), (Y,))

    [found] = contradictions(contract(), fixed, {})

    assert "free batch dimension" in found.fix


def test_all_contradictions_come_in_one_message() -> None:
    labels = Classification(labels=("a", "b", "c"))
    declared = contract(spec("x", -1, 4), outputs=(spec("y", -1, 3),), postprocessing=labels)

    with pytest.raises(ContractDisagrees) as caught:
        check_agreement(declared, MODEL, {})

    message = str(caught.value)
    assert "in 3 places" in message
    assert "inputs.x.shape: expected [-1, 3], got [-1, 4]" in message
    assert "outputs.y.shape: expected [-1, 2], got [-1, 3]" in message
    assert "postprocessing.labels: expected 2 labels, got 3" in message


def test_labels_that_contradict_the_contracts_own_output_are_told_too() -> None:
    declared = contract(postprocessing=Classification(labels=("a", "b", "c")))

    assert wheres(declared) == ["outputs.y.shape", "postprocessing.labels"]


@pytest.mark.parametrize("labels", [("a", "a"), ("a", ""), (" ", "b")])
def test_each_label_has_a_name_of_its_own(labels: tuple[str, ...]) -> None:
    declared = contract(postprocessing=Classification(labels=labels))

    assert wheres(declared) == ["postprocessing.labels"]
    assert wheres(contract(postprocessing=Classification(labels=("a", "A")))) == []


def test_a_keras_model_goes_by_order_so_names_are_free_but_their_order_is_not() -> None:
    two = Signature((X, spec("w", -1, 1)), (Y,), is_named=False)

    assert not wheres(contract(spec("a", -1, 3), spec("b", -1, 1)), two)
    assert wheres(contract(spec("w", -1, 1), X), two)[0] == "inputs"
    assert wheres(contract(), two) == ["inputs"]


@pytest.mark.parametrize(
    ("datatype", "kept", "fits"),
    [
        ("FP32", Quantized("INT8", 0.1, 3), True),
        ("INT8", Quantized("INT8", 0.1, 3), True),
        ("UINT8", Quantized("INT8", 0.1, 3), False),
        ("UINT8", Quantized("INT8", 1.0, -128), True),
        ("INT16", Quantized("INT8", 0.1, 3), False),
    ],
)
def test_a_quantized_tensor_may_be_declared_as_numbers_or_as_it_is_kept(
    datatype: str, kept: Quantized, *, fits: bool
) -> None:
    declared = contract(spec("x", -1, 3, datatype=datatype))

    assert (not wheres(declared, Signature((X,), (Y,), {"x": kept}))) is fits


def test_pixels_may_go_into_the_real_input_of_a_keras_model() -> None:
    declared = contract(spec("x", -1, 3, datatype="UINT8"))

    assert not wheres(declared, KERAS)
    assert wheres(declared, MODEL) == ["inputs.x.datatype"]


def test_a_contract_that_contradicts_itself_is_told_beside_the_rest() -> None:
    declared = replace(contract(spec("x", -1, 4)), name="No Name")

    assert wheres(declared) == ["model", "inputs.x.shape"]
