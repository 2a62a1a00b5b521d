"""A drafted contract keeps to the model, and says what is a guess."""

from __future__ import annotations

import pytest

from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.contract_check import check_contract
from lambent.errors import NameInvalid
from lambent_toolkit.modelkit.errors import DraftUndecided
from lambent_toolkit.modelkit.importing.agreement import contradictions
from lambent_toolkit.modelkit.importing.draft import Draft, draft_contract
from lambent_toolkit.modelkit.importing.signature import Quantized, Signature

TOKENIZER = b"{}"


def spec(name: str, *shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def signature(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = (), **more: object) -> Signature:
    return Signature(inputs, outputs or (spec("scores", -1, 2),), **more)


PICTURE = spec("image", -1, 4, 4, 3)
ROW = spec("row", -1, 3)
IDS = spec("input_ids", -1, 16, datatype="INT32")
MASK = spec("attention_mask", -1, 16, datatype="INT32")


@pytest.mark.parametrize(
    ("made", "kind", "preprocessing"),
    [
        (signature(PICTURE), None, ImagePreprocessing),
        (signature(spec("x", -1, 4, 4, 1, datatype="UINT8")), None, ImagePreprocessing),
        (signature(spec("x", -1, 4, 4, 2)), None, TensorPreprocessing),
        (signature(spec("x", 1, 4, 4, 3)), None, TensorPreprocessing),
        (signature(PICTURE, ROW), None, TensorPreprocessing),
        (signature(PICTURE), "tensor", TensorPreprocessing),
        (signature(ROW), None, TensorPreprocessing),
        (signature(ROW), "tabular", TabularPreprocessing),
        (signature(IDS, MASK), "text", TextPreprocessing),
        (signature(spec("ids", -1, -1, datatype="INT64")), "text", TextPreprocessing),
    ],
)
def test_a_draft_is_a_contract_of_its_model(made: Signature, kind: str | None, preprocessing: type) -> None:
    draft = draft_contract("m", made, preprocessing=kind, tokenizer=TOKENIZER)

    assert isinstance(draft.contract.preprocessing, preprocessing)
    check_contract(draft.contract)
    assert not list(contradictions(draft.contract, made, {"tokenizer.json": TOKENIZER}))


def test_only_what_was_guessed_is_called_a_guess() -> None:
    guessed = draft_contract("m", signature(PICTURE))
    told = draft_contract("m", signature(PICTURE), preprocessing="image")

    assert "guessed to be image" in guessed.to_check[0]
    assert not [sentence for sentence in told.to_check if "guessed" in sentence]


def pixels(kept: Quantized) -> ImagePreprocessing:
    preprocessing = draft_contract("m", signature(PICTURE, quantized={"image": kept})).contract.preprocessing
    assert isinstance(preprocessing, ImagePreprocessing)
    return preprocessing


@pytest.mark.parametrize(
    ("kept", "black", "white"),
    [
        (Quantized("UINT8", 2 / 255, 128), -256 / 255, 254 / 255),
        (Quantized("INT8", 1 / 255, -128), 0.0, 1.0),
        (Quantized("UINT8", 1.0, 0), 0.0, 255.0),
    ],
)
def test_pixels_are_scaled_as_a_quantized_file_keeps_them(kept: Quantized, black: float, white: float) -> None:
    found = pixels(kept)

    assert found.offset == pytest.approx(black)
    assert 255 * found.scale + found.offset == pytest.approx(white)


def postprocessing(draft: Draft) -> object:
    return draft.contract.postprocessing


def test_labels_make_a_classifier_and_logits_get_their_softmax() -> None:
    probabilities = draft_contract("m", signature(ROW, activation="softmax"), labels=("a", "b"))
    logits = draft_contract("m", signature(ROW, activation="linear"), labels=("a", "b"))

    assert postprocessing(probabilities) == Classification(labels=("a", "b"))
    assert postprocessing(logits) == Classification(labels=("a", "b"), activation="softmax")


def test_without_labels_one_number_is_a_regression_and_more_are_the_answer() -> None:
    one = draft_contract("m", signature(ROW, outputs=(spec("price", -1, 1),)))

    assert postprocessing(one) == Regression()
    assert postprocessing(draft_contract("m", signature(ROW))) == RawOutputs()


@pytest.mark.parametrize(
    ("made", "kind", "more", "why"),
    [
        (signature(ROW), None, {"labels": ("a", "b", "c")}, "3 labels were given, but output scores has 2"),
        (signature(ROW), "image", {}, "fills one input of shape"),
        (signature(PICTURE), "tabular", {}, "fills one input of shape"),
        (signature(IDS), "text", {}, r"needs the tokenizer\.json"),
        (signature(spec("x", 8, 3), outputs=(spec("y", 8, 2),)), None, {"labels": ("a", "b")}, "must be free"),
        (signature(spec("x", 8, 3)), "tabular", {}, "must be free"),
        (signature(IDS, spec("other", -1, 16)), "text", {"tokenizer": TOKENIZER}, "cannot be told from their names"),
    ],
)
def test_what_cannot_be_drafted_says_what_is_missing(
    made: Signature, kind: str | None, more: dict[str, object], why: str
) -> None:
    with pytest.raises(DraftUndecided, match=why):
        draft_contract("m", made, preprocessing=kind, **more)


def test_a_name_that_no_model_may_have_is_refused() -> None:
    with pytest.raises(NameInvalid):
        draft_contract("My Model", signature(ROW))
