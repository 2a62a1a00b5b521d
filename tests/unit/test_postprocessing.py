"""Outputs into labels, numbers, and themselves by their names."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from builders import contract
from lambent.contracts.lines import encode_lines
from lambent.contracts.media import MediaAnswer, Usage, prediction_fields
from lambent.contracts.media_answers import encode_csv, encode_json
from lambent.contracts.model import Classification, RawOutputs, Regression, TensorSpec
from lambent.domain.answer_size import check_json_answer, check_json_size
from lambent.domain.contract_check import check_contract
from lambent.domain.postprocessing import activate, classify_rows, postprocess, scale_rows
from lambent.errors import ModelContractMismatch, OutputNotJson

ABC = ("a", "b", "c")
SCORES = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
)


def classify(rows: object, *, top_k: int = 5, **spec: object):
    return classify_rows(np.asarray(rows), Classification(**{"labels": ABC, **spec}), top_k=top_k)


def test_labels_come_in_falling_order_of_score() -> None:
    (row,) = classify(np.array([[0.2, 0.5, 0.3]], dtype=np.float32), top_k=2)

    assert (row.label, row.score) == ("b", 0.5)
    assert [(entry.label, entry.score) for entry in row.top] == [("b", 0.5), ("c", 0.3)]


def test_equal_scores_keep_the_order_of_the_labels() -> None:
    (row,) = classify(np.full((1, 3), 1 / 3, dtype=np.float32))

    assert [entry.label for entry in row.top] == ["a", "b", "c"]


@given(scores=SCORES, top_k=st.integers(1, 50))
def test_the_best_k_are_those_of_a_stable_full_sort(scores: np.ndarray, top_k: int) -> None:
    labels = tuple(map(str, range(scores.shape[1])))

    rows = classify_rows(scores, Classification(labels=labels), top_k=top_k)

    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    assert [[entry.label for entry in row.top] for row in rows] == order.astype(str).tolist()


def test_softmax_turns_logits_into_scores_that_sum_to_one() -> None:
    rows = classify(np.array([[1000.0, 1000.0], [0.0, np.log(3)]]), labels=("a", "b"), activation="softmax")

    assert rows[0].score == 0.5
    assert (rows[1].label, rows[1].score) == ("b", 0.75)


def test_sigmoid_scores_each_label_for_itself_and_does_not_overflow() -> None:
    (row,) = classify(np.array([[0.0, -5000.0, 5000.0]], dtype=np.float32), activation="sigmoid")

    assert {entry.label: entry.score for entry in row.top} == {"a": 0.5, "b": 0.0, "c": 1.0}


@given(logits=hnp.arrays(np.float32, (2, 5), elements=st.floats(-30, 30, width=32)), temperature=st.floats(0.1, 10))
def test_activations_follow_their_textbook_formulas(logits: np.ndarray, temperature: float) -> None:
    labels = tuple("abcde")
    divided = logits.astype(np.float64) / temperature

    soft = activate(logits, Classification(labels=labels, activation="softmax", temperature=temperature))
    each = activate(logits, Classification(labels=labels, activation="sigmoid", temperature=temperature))

    shifted = np.exp(divided - divided.max(axis=1, keepdims=True))
    np.testing.assert_allclose(soft, shifted / shifted.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(each, 1 / (1 + np.exp(-divided)), atol=1e-12)


BINARY = Classification(labels=("no", "yes"))


@given(logits=hnp.arrays(np.float32, (4, 1), elements=st.floats(-20, 20, width=32)), temperature=st.floats(0.1, 10))
def test_one_number_for_two_labels_is_what_both_of_them_would_be(logits: np.ndarray, temperature: float) -> None:
    score = 1 / (1 + np.exp(-logits.astype(np.float64)))
    both = np.concatenate([np.zeros_like(logits), logits], axis=1)

    of_logit = activate(logits, msgspec.structs.replace(BINARY, activation="sigmoid", temperature=temperature))
    of_score = activate(score, BINARY)

    wanted = activate(both, msgspec.structs.replace(BINARY, activation="softmax", temperature=temperature))
    np.testing.assert_array_equal(of_logit, wanted)
    np.testing.assert_allclose(of_logit[:, 1:], 1 / (1 + np.exp(-logits.astype(np.float64) / temperature)), atol=1e-12)
    np.testing.assert_allclose(of_score, np.concatenate([1 - score, score], axis=1), atol=1e-12)


def test_a_binary_score_is_answered_as_the_likelier_of_its_two_labels() -> None:
    no, yes = classify(np.array([[0.25], [0.75]], dtype=np.float32), labels=("no", "yes"))

    assert (no.label, no.score, yes.label, yes.score) == ("no", 0.75, "yes", 0.75)
    assert {each.label: each.score for each in yes.top} == {"no": 0.25, "yes": 0.75}


def test_a_temperature_draws_a_binary_score_towards_one_half() -> None:
    (even,) = classify(np.array([[0.9]]), labels=("no", "yes"), temperature=2.0)

    assert (even.label, even.score) == ("yes", 0.75)


def test_a_binary_output_is_answered_by_a_contract_of_two_labels_only() -> None:
    outputs = (TensorSpec(name="p", datatype="FP32", shape=(-1, 1)),)
    declared = contract(outputs=outputs, postprocessing=BINARY)

    check_contract(declared)
    for wrong in (
        Classification(labels=ABC),
        msgspec.structs.replace(BINARY, activation="softmax"),
    ):
        with pytest.raises(ModelContractMismatch):
            check_contract(msgspec.structs.replace(declared, postprocessing=wrong))


def test_a_higher_temperature_makes_scores_more_even_and_keeps_their_order() -> None:
    logits = np.array([[0.0, 2.0, 1.0]], dtype=np.float32)

    (sure,) = classify(logits, activation="softmax")
    (even,) = classify(logits, activation="softmax", temperature=4.0)

    assert even.score < sure.score
    assert [entry.label for entry in even.top] == [entry.label for entry in sure.top]


@given(logits=hnp.arrays(np.float64, (2, 5), elements=st.floats(-20, 20)), temperature=st.floats(0.1, 10))
def test_tempered_probabilities_are_the_softmax_of_divided_logits(logits: np.ndarray, temperature: float) -> None:
    labels = tuple("abcde")
    probabilities = activate(logits, Classification(labels=labels, activation="softmax"))

    tempered = activate(probabilities, Classification(labels=labels, temperature=temperature))

    expected = activate(logits, Classification(labels=labels, activation="softmax", temperature=temperature))
    np.testing.assert_allclose(tempered, expected, rtol=1e-6, atol=1e-12)


def test_probabilities_without_a_temperature_are_answered_as_they_are() -> None:
    rows = np.array([[0.25, 0.75]], dtype=np.float32)

    assert activate(rows, Classification(labels=("a", "b"))) is rows


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0, 20.0])
def test_zero_probabilities_of_quantized_outputs_stay_zero_under_a_temperature(temperature: float) -> None:
    rows = np.array([[255 / 256, 0.0, 0.0], [0.0, 0.5, 0.25], [0.0, 0.0, 0.0]], dtype=np.float32)

    scores = activate(rows, Classification(labels=ABC, temperature=temperature))

    assert scores[0].tolist() == [1.0, 0.0, 0.0]
    assert scores[1, 0] == 0.0
    # Nothing is known of a row that was rounded to zeros everywhere.
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    np.testing.assert_allclose(scores[2], 1 / 3)


def test_a_negative_score_has_no_temperature() -> None:
    with pytest.raises(ModelContractMismatch, match="negative score") as refusal:
        classify(np.array([[0.5, -0.1, 0.6]], dtype=np.float32), temperature=2.0)

    assert refusal.value.field == "postprocessing.temperature"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_temperature_does_not_hide_a_score_that_is_not_finite(bad: float) -> None:
    with pytest.raises(ModelContractMismatch, match="not finite"):
        classify(np.array([[0.1, bad, 0.2], [0.0, 0.0, 0.0]], dtype=np.float32), temperature=2.0)


def test_labels_under_the_threshold_are_not_answered() -> None:
    rows = classify(np.array([[0.1, 0.7, 0.2], [0.6, 0.2, 0.2]], dtype=np.float32), threshold=0.7)

    assert [entry.label for entry in rows[0].top] == ["b"]
    assert (rows[1].label, rows[1].score, rows[1].top) == (None, None, [])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_or_number_that_is_not_finite_is_the_models_fault(bad: float) -> None:
    with pytest.raises(ModelContractMismatch):
        classify(np.array([[0.1, bad, 0.2]], dtype=np.float32))
    with pytest.raises(ModelContractMismatch):
        scale_rows(np.array([[bad]], dtype=np.float32), Regression())


def test_regression_answers_the_scaled_number_with_its_unit() -> None:
    spec = Regression(scale=10.0, offset=-3.0, unit="EUR")

    rows = scale_rows(np.array([[1.5], [-2.0]], dtype=np.float32), spec)

    assert [(row.value, row.unit) for row in rows] == [(12.0, "EUR"), (-23.0, "EUR")]


def test_the_output_that_the_contract_names_is_read() -> None:
    outputs = {
        "boxes": np.zeros((1, 4), dtype=np.float32),
        "scores": np.array([[0.1, 0.9]], dtype=np.float32),
        "price": np.array([[7.0]], dtype=np.float32),
    }
    specs = tuple(TensorSpec(name=name, datatype="FP32", shape=(-1, array.shape[1])) for name, array in outputs.items())
    labelled = contract(outputs=specs, postprocessing=Classification(labels=("dark", "bright"), output="scores"))
    priced = contract(outputs=specs, postprocessing=Regression(output="price"))

    assert postprocess(outputs, labelled, top_k=1)[0].label == "bright"
    assert postprocess(outputs, priced, top_k=1)[0].value == 7.0


RAW = contract(
    outputs=(
        TensorSpec(name="mask", datatype="FP32", shape=(-1, 2, 2)),
        TensorSpec(name="count", datatype="INT64", shape=(-1,)),
        TensorSpec(name="half", datatype="FP16", shape=(-1, 1)),
        TensorSpec(name="found", datatype="BOOL", shape=(-1, 2)),
    ),
    postprocessing=RawOutputs(),
)


def raw_outputs(rows: int = 2) -> dict[str, np.ndarray]:
    """Return outputs of every kind in another order than the contract's."""
    return {
        "count": np.arange(rows, dtype=np.int64) + 2**60,
        "found": np.array([[True, False]] * rows),
        "half": np.full((rows, 1), 0.5, dtype=np.float16),
        "mask": np.arange(4 * rows, dtype=np.float32).reshape(rows, 2, 2) / np.float32(10),
    }


def test_outputs_that_are_the_answer_are_named_a_row_each_in_the_contract_s_order() -> None:
    first, second = postprocess(raw_outputs(), RAW, top_k=1)

    assert [(each.name, each.datatype, each.shape) for each in second.outputs] == [
        ("mask", "FP32", [2, 2]),
        ("count", "INT64", []),
        ("half", "FP16", [1]),
        ("found", "BOOL", [2]),
    ]
    assert [each.data.tolist() for each in first.outputs[1:]] == [[2**60], [0.5], [True, False]]
    np.testing.assert_array_equal(second.outputs[0].data, raw_outputs()["mask"][1].ravel())


def test_outputs_are_written_alike_in_every_form_of_json_and_in_csv_with_no_more_digits_than_they_have() -> None:
    predictions = postprocess(raw_outputs(1), RAW, top_k=1)
    answer = MediaAnswer("m", "1", predictions, Usage(1, 1))

    told = json.loads(encode_json(answer))["predictions"]
    line = encode_lines([prediction_fields(predictions[0])])

    assert json.loads(line) == told[0]
    assert b'"data":[0.0,0.1,0.2,0.3]' in line
    assert encode_csv(answer).decode().splitlines() == [
        "mask[0],mask[1],mask[2],mask[3],count,half,found[0],found[1]",
        f"0.0,0.1,0.2,0.3,{2**60},0.5,True,False",
    ]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_output_that_json_has_no_number_for_is_refused_with_the_way_to_it(wrong: float) -> None:
    outputs = raw_outputs()
    outputs["mask"][1, 0, 0] = wrong

    with pytest.raises(OutputNotJson, match=r"mask holds 1 numbers that are NaN or infinite.*binary") as refusal:
        postprocess(outputs, RAW, top_k=1)

    assert refusal.value.field == "outputs.mask"


def test_outputs_without_a_row_for_each_item_are_refused() -> None:
    with pytest.raises(ModelContractMismatch, match="no row for each item"):
        postprocess({**raw_outputs(), "count": np.zeros(3, dtype=np.int64)}, RAW, top_k=1)


def test_more_numbers_than_an_answer_of_json_should_hold_are_refused_with_how_many_items_are_possible() -> None:
    large = contract(
        outputs=(TensorSpec(name="mask", datatype="FP32", shape=(-1, 1024, 1024)),), postprocessing=RawOutputs()
    )
    larger = contract(
        outputs=(TensorSpec(name="mask", datatype="FP32", shape=(-1, 2048, 2048)),), postprocessing=RawOutputs()
    )

    check_json_answer(large, 7)
    check_json_size(large)
    with pytest.raises(OutputNotJson, match="at most 7 at once") as refusal:
        check_json_answer(large, 8)
    with pytest.raises(OutputNotJson, match="4194304 numbers"):
        check_json_size(larger)

    assert (refusal.value.limit, refusal.value.got) == (7, 8)
