"""A drafted contract keeps to the model, and says what is a guess."""

from __future__ import annotations

from dataclasses import replace

import msgspec
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
from lambent_toolkit.modelkit.errors import DraftUndecided, ForeignModelRefused
from lambent_toolkit.modelkit.importing.agreement import contradictions
from lambent_toolkit.modelkit.importing.draft import Draft, draft_contract
from lambent_toolkit.modelkit.importing.inputs import read_size
from lambent_toolkit.modelkit.importing.picture_draft import doubts
from lambent_toolkit.modelkit.importing.pixel_range import InputPath
from lambent_toolkit.modelkit.importing.signature import Quantized, Signature
from lambent_toolkit.modelkit.importing.trial import Tried

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
    probabilities = draft_contract("m", signature(ROW, activations={"scores": "softmax"}), labels=("a", "b"))
    logits = draft_contract("m", signature(ROW, activations={"scores": "linear"}), labels=("a", "b"))

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
        (signature(spec("x", 8, 3)), "tabular", {}, "must be free"),
        (signature(IDS, spec("other", -1, 16)), "text", {"tokenizer": TOKENIZER}, "cannot be told from their names"),
    ],
)
def test_what_cannot_be_drafted_says_what_is_missing(
    made: Signature, kind: str | None, more: dict[str, object], why: str
) -> None:
    with pytest.raises(DraftUndecided, match=why):
        draft_contract("m", made, preprocessing=kind, **more)


def answered(kind: str | None, function: str | None, *shape: int) -> Signature:
    """Return the signature of a model whose output's numbers and graph were found to be such."""
    return signature(
        ROW,
        outputs=(spec("p", *shape),),
        activations={"p": function} if function else {},
        tried=Tried({"p": kind} if kind else {}),
    )


@pytest.mark.parametrize(
    ("kind", "function", "activation"),
    [
        ("probabilities", None, "none"),
        ("probabilities", "linear", "none"),
        ("free", None, "softmax"),
        ("unit", "linear", "softmax"),
        ("unit", None, "none"),
        ("unit", "sigmoid", "none"),
        ("log_probabilities", "log_softmax", "softmax"),
        (None, "softmax", "none"),
        (None, "linear", "softmax"),
        (None, None, "none"),
    ],
)
def test_numbers_decide_what_is_left_to_do_and_the_graph_where_they_leave_it_open(
    kind: str | None, function: str | None, activation: str
) -> None:
    draft = draft_contract("m", answered(kind, function, -1, 3), labels=("a", "b", "c"))

    assert draft.contract.postprocessing == Classification(labels=("a", "b", "c"), activation=activation)


@pytest.mark.parametrize(
    ("kind", "function", "activation"),
    [("unit", "sigmoid", "none"), ("unit", None, "none"), ("free", "linear", "sigmoid"), ("free", None, "sigmoid")],
)
def test_one_number_for_two_labels_is_the_second_one_s(kind: str, function: str | None, activation: str) -> None:
    draft = draft_contract("m", answered(kind, function, -1, 1), labels=("no", "yes"))

    assert draft.contract.postprocessing == Classification(labels=("no", "yes"), activation=activation)
    assert "yes gets" in draft.to_check[-1]
    assert "no gets 1 - p" in draft.to_check[-1]


@pytest.mark.parametrize("function", ["tanh", "softsign", "relu", "softplus"])
@pytest.mark.parametrize("width", [1, 3])
def test_a_few_answers_between_0_and_1_make_no_scores_of_what_other_functions_give(function: str, width: int) -> None:
    labels = ("no", "yes") if width == 1 else ("a", "b", "c")
    made = answered("unit", function, -1, width)

    if width == 1 and function in ("relu", "softplus"):
        with pytest.raises(DraftUndecided, match=f"ends in {function}, which is never below 0.* yes always"):
            draft_contract("m", made, labels=labels)
    else:
        draft = draft_contract("m", made, labels=labels)

        assert draft.contract.postprocessing.activation == ("sigmoid" if width == 1 else "softmax")
        assert f"the {function} before it cuts logits off" in draft.to_check[-1]


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("datatype", ["INT32", "INT64", "BOOL", "UINT8"])
def test_a_class_that_the_model_has_chosen_is_no_score_and_the_way_on_is_told(datatype: str, width: int) -> None:
    made = signature(ROW, outputs=(spec("chosen", -1, width, datatype=datatype),))

    with pytest.raises(DraftUndecided, match=r"chosen holds .*are no scores.*argmax.*leave --labels out"):
        draft_contract("m", made, labels=("a", "b", "c"))


def test_percentages_are_neither_scores_nor_logits() -> None:
    with pytest.raises(DraftUndecided, match=r"the same sum in every row.*Divide them by that sum"):
        draft_contract("m", answered("shares", None, -1, 3), labels=("a", "b", "c"))


def test_a_sigmoid_without_labels_is_said_to_be_a_classifier_most_likely() -> None:
    draft = draft_contract("m", answered("unit", "sigmoid", -1, 1))

    assert draft.contract.postprocessing == Regression()
    assert "Name both --labels" in draft.to_check[-1]


def test_scores_of_labels_each_for_itself_are_told_as_such() -> None:
    (told,) = [
        each
        for each in draft_contract("m", answered("unit", "sigmoid", -1, 2), labels=("a", "b")).to_check
        if "label" in each
    ]

    assert "scores each label for itself" in told
    assert "their accuracy says nothing" in told


HEADS = (spec("age", -1, 1), spec("kind", -1, 3), spec("embedding", -1, 8))


def test_the_labels_belong_to_the_only_output_of_as_many_numbers() -> None:
    draft = draft_contract("m", signature(ROW, outputs=HEADS), labels=("a", "b", "c"))

    assert draft.contract.postprocessing == Classification(labels=("a", "b", "c"), output="kind")


def test_the_output_that_is_named_is_the_one_that_is_answered() -> None:
    number = draft_contract("m", signature(ROW, outputs=HEADS), output="age")
    twins = signature(ROW, outputs=(spec("left", -1, 2), spec("right", -1, 2)))

    assert number.contract.postprocessing == Regression(output="age")
    assert draft_contract("m", twins, labels=("a", "b"), output="right").contract.postprocessing == Classification(
        labels=("a", "b"), output="right"
    )
    assert draft_contract("m", signature(ROW, outputs=HEADS)).contract.postprocessing == RawOutputs()


@pytest.mark.parametrize(
    ("labels", "output", "why"),
    [
        (("a", "b", "c", "d"), None, "No output has a number for each of 4 labels: the model gives age FP32"),
        (("a", "b"), "embedding", "2 labels were given, but output embedding has 8"),
        ((), "weight", "no output weight, but age FP32"),
        ((), "embedding", r"has the shape \[-1, 8\]"),
    ],
)
def test_an_output_that_cannot_be_the_answer_is_refused_by_the_names_of_those_there_are(
    labels: tuple[str, ...], output: str | None, why: str
) -> None:
    with pytest.raises(DraftUndecided, match=why):
        draft_contract("m", signature(ROW, outputs=HEADS), labels=labels, output=output)


def test_two_outputs_that_fit_the_labels_are_not_chosen_between() -> None:
    twins = signature(ROW, outputs=(spec("left", -1, 2), spec("right", -1, 2)))

    with pytest.raises(DraftUndecided, match=r"Several outputs have .* by --output"):
        draft_contract("m", twins, labels=("a", "b"))


def test_a_softmax_of_one_number_is_refused() -> None:
    with pytest.raises(DraftUndecided, match="1 whatever the input"):
        draft_contract("m", answered("unit", "softmax", -1, 1), labels=("a", "b"))


@pytest.mark.parametrize(
    "made",
    [
        signature(ROW, outputs=(spec("classes", -1, 2, datatype="INT64"),)),
        signature(ROW, outputs=(spec("free", -1, -1),)),
        signature(spec("unknown")),
    ],
    ids=["whole numbers", "free width", "unknown rank"],
)
def test_nothing_is_drafted_that_import_would_refuse(made: Signature) -> None:
    with pytest.raises(DraftUndecided):
        draft_contract("m", made, labels=("a", "b"))


def test_labels_of_a_fixed_batch_are_drafted_of_a_model_that_takes_its_tensors() -> None:
    fixed = signature(spec("x", 8, 3), outputs=(spec("scores", 8, 2),))

    contract = draft_contract("m", fixed, labels=("a", "b")).contract

    assert isinstance(contract.preprocessing, TensorPreprocessing)
    assert contract.inputs[0].shape == (8, 3)
    check_contract(contract)


def prepared(*levels: float, steps: tuple[str, ...] = ("Rescaling",)) -> Signature:
    """Return the signature of a model that makes such numbers of pictures of -1, 0, 1 and 255."""
    return signature(PICTURE, paths={"image": InputPath(steps, (), (levels,), "conv")})


def test_pixels_are_left_to_a_model_that_prepares_them_itself_and_the_draft_says_by_what() -> None:
    draft = draft_contract("m", prepared(-1 / 255, 0.0, 1 / 255, 1.0))

    assert (draft.contract.preprocessing.scale, draft.contract.preprocessing.offset) == (1.0, 0.0)
    (told,) = [each for each in draft.to_check if "pixels become" in each]
    assert "the model itself prepares pixels of 0 to 255 by Rescaling: black to white reach conv as 0 to 1" in told


def test_two_readings_of_a_picture_are_both_told_with_the_difference_of_the_answers() -> None:
    unclear = replace(prepared(-0.5, 0.0, 0.5, 127.5), tried=Tried({}, 0.25))

    draft = draft_contract("m", unclear)

    (told,) = [each for each in draft.to_check if "pixels become" in each]
    assert draft.contract.preprocessing.scale == pytest.approx(1 / 255)
    assert "0 to 255 reaches conv as 0 to 128; 0 to 1 reaches conv as 0 to 0.5" in told
    assert "answered up to 0.25 apart" in told


@pytest.mark.parametrize(("scale", "count"), [(1.0, 0), (1 / 255, 1), (2 / 255, 1)])
def test_a_contract_that_scales_what_the_model_scales_itself_is_in_doubt(scale: float, count: int) -> None:
    made = prepared(-1 / 255, 0.0, 1 / 255, 1.0, steps=("Rescaling r (* 0.0039 + 0)",))
    drafted = draft_contract("m", made).contract
    declared = msgspec.structs.replace(
        drafted, preprocessing=msgspec.structs.replace(drafted.preprocessing, scale=scale)
    )

    found = doubts(declared, made)

    assert len(found) == count
    assert all("prepares pixels of 0 to 255 (Rescaling r" in each for each in found)


def test_pixels_that_are_prepared_behind_a_layer_that_learned_are_left_as_they_are_and_other_scales_in_doubt() -> None:
    path = InputPath((), (), ((-1.0, 0.0, 1.0, 255.0),), "colours", ("Rescaling r (* 0.0039 + 0)",))
    made = signature(PICTURE, paths={"image": path})

    draft = draft_contract("m", made)
    declared = msgspec.structs.replace(
        draft.contract, preprocessing=msgspec.structs.replace(draft.contract.preprocessing, scale=1 / 255)
    )

    assert (draft.contract.preprocessing.scale, draft.contract.preprocessing.offset) == (1.0, 0.0)
    assert any("prepared by Rescaling r (* 0.0039 + 0), behind colours" in each for each in draft.to_check)
    assert not doubts(draft.contract, made)
    assert "prepares pixels of 0 to 255 (Rescaling r" in doubts(declared, made)[0]


def test_where_nothing_is_found_it_is_said_whether_that_means_anything() -> None:
    bare = InputPath((), (), ((-1.0, 0.0, 1.0, 255.0),), "conv")

    of_keras = draft_contract("m", signature(PICTURE, paths={"image": bare}, is_named=False)).to_check[1]
    of_file = draft_contract("m", signature(PICTURE)).to_check[1]

    assert "the commonest choice" in of_keras
    assert "before conv the model prepares nothing itself" in of_keras
    assert of_keras.endswith("itself.")
    assert "a converted file does to pixels first cannot be told" in of_file


FREE = spec("image", -1, -1, -1, 3)


def test_a_size_makes_pictures_of_an_input_that_takes_any() -> None:
    without, drafted = draft_contract("m", signature(FREE)), draft_contract("m", signature(FREE), size=(32, 48))

    assert isinstance(without.contract.preprocessing, TensorPreprocessing)
    assert any("--size HEIGHTxWIDTH" in each for each in without.to_check)
    assert drafted.contract.inputs == (spec("image", -1, 32, 48, 3),)
    assert (drafted.contract.preprocessing.height, drafted.contract.preprocessing.width) == (32, 48)


@pytest.mark.parametrize(
    ("made", "why"),
    [(signature(PICTURE), "4 x 4, height x width, not 32 x 48"), (signature(ROW), "one input of pictures")],
)
def test_a_size_that_the_model_does_not_take_is_refused(made: Signature, why: str) -> None:
    with pytest.raises(DraftUndecided, match=why):
        draft_contract("m", made, size=(32, 48))


@pytest.mark.parametrize("given", ["224", "224x", "0x5", "-1x5", "axb", "224 x 224 x 3", "999999x1"])
def test_a_size_is_two_whole_numbers(given: str) -> None:
    assert read_size(" 224X192 ") == (224, 192)
    assert read_size(None) is None
    with pytest.raises(ForeignModelRefused, match="HEIGHTxWIDTH"):
        read_size(given)


def test_columns_stay_as_they_are_where_the_model_standardizes_itself() -> None:
    made = signature(ROW, paths={"row": InputPath(("Normalization norm (mean 3, std 2)",), (), (), "dense")})

    told = draft_contract("m", made, preprocessing="tabular").to_check

    assert any("mean 0 and std 1 have to stay" in each and "mean 3, std 2" in each for each in told)


def test_a_name_that_no_model_may_have_is_refused() -> None:
    with pytest.raises(NameInvalid):
        draft_contract("My Model", signature(ROW))
