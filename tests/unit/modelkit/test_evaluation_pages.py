"""report.html, compare.html and card.md of made-up answers."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from builders import contract, picture
from lambent.contracts.model import (
    Classification,
    ModelContract,
    NumericColumn,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TextPreprocessing,
)
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.evaluating.classification import classification_figures
from lambent_toolkit.modelkit.evaluating.comparing import Compared
from lambent_toolkit.modelkit.evaluating.comparison_page import comparison_page
from lambent_toolkit.modelkit.evaluating.comparison_report import (
    Comparison,
    Contestant,
    Difference,
    DifferingAnswer,
    DifferingItem,
)
from lambent_toolkit.modelkit.evaluating.evaluated_card import evaluated_card
from lambent_toolkit.modelkit.evaluating.evaluation import Evaluation
from lambent_toolkit.modelkit.evaluating.items import item_shower
from lambent_toolkit.modelkit.evaluating.measuring import Measured, latency
from lambent_toolkit.modelkit.evaluating.page import report_page
from lambent_toolkit.modelkit.evaluating.regression import regression_figures
from lambent_toolkit.modelkit.evaluating.slices import classifier_slices
from lambent_toolkit.modelkit.evaluating.subject import Subject
from lambent_toolkit.modelkit.made_model import MadeModel
from lambent_toolkit.modelkit.quantization_report import Loss
from lambent_toolkit.modelkit.recipe import Prepared
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.report import Estimate, Report, Source
from lambent_toolkit.modelkit.serving_check import Place
from lambent_toolkit.reporting.page import Thumbnail
from measured import report, variant

SOURCE = Source(kind="recipe", name="shade", sha256="0" * 64, seed=7, epochs=3)
EVIL = "<script>alert(1)</script>"


def evaluation(
    declared: ModelContract, rows: np.ndarray, items: list[bytes], targets: np.ndarray, made: Report
) -> Evaluation:
    outputs = {"scores": rows}
    golden = GoldenVectors(items, {}, outputs)
    place = Place("ai-edge-litert", {"ai-edge-litert": "1.4.0"}, [])
    measured = Measured({"int8": outputs}, {}, {}, golden, place)
    subject = Subject(declared.name, declared, "int8", {"int8": b"file"}, None, SOURCE)
    return Evaluation(made, subject, Prepared(items, targets, {}), measured)


def classifier(labels: tuple[str, ...] = ("dark", "bright"), **changes: object) -> Evaluation:
    """Return the evaluation of a classifier of 40 pictures, four of them wrong, with a slice that is worse."""
    classes = np.arange(40) % 2
    rows = np.full((40, 2), 0.1)
    rows[np.arange(40), np.where(np.arange(40) < 4, 1 - classes, classes)] = 0.9
    spec = Classification(labels=labels)
    figures = classification_figures(rows, classes, spec)
    slices = classifier_slices(np.arange(40) >= 4, {"light": ["dusk"] * 5 + ["noon"] * 35})
    made = report(
        model="shade",
        classification=figures,
        slice_metric="accuracy",
        slices=slices,
        loss=Loss(value=2.5, low=-1.0, high=6.0, only_float_right=2, only_variant_right=1),
        **changes,
    )
    declared = contract(postprocessing=spec)
    return evaluation(declared, rows, [picture(number * 6) for number in range(40)], classes, made)


def test_page_of_a_classifier_shows_what_was_measured_and_the_mistakes_as_pictures() -> None:
    html = report_page(classifier())

    for told in ("90.0 %", "What is taken for what", "Ranking", "light = dusk", "worse than the rest", "-2.50 pt"):
        assert told in html
    assert html.count('class="thumbnail"') == 4


def test_warnings_stand_at_the_top() -> None:
    html = report_page(classifier(warnings=["Only 5 items."]))

    assert html.index("Only 5 items.") < html.index("What is taken for what")


def test_labels_cannot_put_code_into_the_page() -> None:
    html = report_page(classifier(labels=(EVIL, "bright")))

    assert EVIL not in html
    assert "&lt;script&gt;" in html


def test_page_of_a_perfect_classifier_of_one_item_says_that_there_are_no_mistakes() -> None:
    rows, classes = np.array([[0.9, 0.1]]), np.array([0])
    figures = classification_figures(rows, classes, Classification(labels=("dark", "bright")))

    html = report_page(evaluation(contract(), rows, [picture()], classes, report(classification=figures)))

    assert "There are none: every item is answered rightly." in html
    assert "nothing is known of them" in html


def test_page_of_a_regression_shows_residuals_in_their_unit() -> None:
    targets = np.linspace(0, 9, 30)
    values = targets + np.sin(np.arange(30))
    columns = TabularPreprocessing(columns=(NumericColumn(name="x"),))
    declared = contract(preprocessing=columns, postprocessing=Regression(unit="kg"))
    figures = regression_figures(values, targets, unit="kg")
    items = [msgspec.json.encode({"x": EVIL})] * 30
    made = report(task="regression", regression=figures, variants={"int8": variant(rmse=1.0)}, reference=None)

    html = report_page(evaluation(declared, values[:, None], items, targets, made))

    assert "answer - truth" in html
    assert " kg" in html
    assert "Answers and truth" in html
    assert EVIL not in html


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_page_of_a_regression_whose_answers_or_truths_are_all_equal_is_drawn(spread: float) -> None:
    targets, values = np.full(5, 2.0), 2.0 + spread * np.arange(5)
    declared = contract(preprocessing=TensorPreprocessing(), postprocessing=Regression())
    figures = regression_figures(values, targets, unit=None)

    html = report_page(
        evaluation(declared, values[:, None], [b""] * 5, targets, report(task="regression", regression=figures))
    )

    assert "not defined" in html


def test_items_are_shown_as_pictures_texts_and_rows() -> None:
    text = TextPreprocessing(tokenizer_sha256="0" * 64, max_tokens=8, ids_input="ids")
    table = TabularPreprocessing(columns=(NumericColumn(name="x"),))

    assert isinstance(item_shower([picture()], contract())(0), Thumbnail)
    assert item_shower([b"guten\nTag " + b"x" * 500], contract(preprocessing=text))(0)[:11] == "guten Tag x"
    assert item_shower([b'{"x": 1.5, "y": "a"}'], contract(preprocessing=table))(0) == "x 1.5, y a"
    assert item_shower([b""], contract(preprocessing=TensorPreprocessing()))(0) == "item 0"


def test_latency_is_that_of_all_calls_with_the_middle_half_of_the_rounds() -> None:
    found = latency(2, [[1.0, 1.0, 1.0], [2.0, 2.0, 8.0], [3.0, 3.0, 3.0]])

    assert (found.threads, found.calls, found.p50_ms) == (2, 9, 2.0)
    assert (found.low_ms, found.high_ms) == (1.5, 2.5)
    assert found.p99_ms == 7.6


def contestant(name: str, accuracy: float) -> Contestant:
    metric = Estimate(value=accuracy, low=accuracy - 0.02, high=accuracy + 0.02, method="bootstrap")
    return Contestant(name=name, model_sha256="a" * 64, variant="int8", figures=variant(), metric=metric)


def comparison(**changes: object) -> Comparison:
    answers = (
        DifferingAnswer(label="dark", score=0.7, is_right=True),
        DifferingAnswer(label=None, score=0.4, is_right=False),
    )
    fields = {
        "task": "classification",
        "data_name": "shade",
        "items": 100,
        "unit": None,
        "first": contestant("old", 0.91),
        "second": contestant("new", 0.9),
        "differences": [
            Difference(metric="accuracy", value=-1.0, low=-3.1, high=1.0, p_value=1.0, test="McNemar, mid-p")
        ],
        "first_only": 1,
        "second_only": 0,
        "both_wrong": 9,
        "differing": 1,
        "differing_items": [DifferingItem(item=0, sha256="b" * 64, truth="dark", first=answers[0], second=answers[1])],
        "outcome": "undecided",
        "verdict": "No difference could be shown.",
        "warnings": ["old was trained on 3 of these 100 items."],
        "tools": {},
        **changes,
    }
    return Comparison(**fields)


def test_page_of_a_comparison_shows_verdict_warnings_and_the_items_that_differ() -> None:
    html = comparison_page(Compared(comparison(), [picture()], contract()))

    for told in ("No difference could be shown.", "trained on 3 of these", "no answer", "Who is right", "McNemar"):
        assert told in html
    assert html.count('class="thumbnail"') == 1


def test_page_of_two_regressions_that_never_differ_says_so() -> None:
    difference = Difference(metric="rmse", value=0.0, low=0.0, high=0.0, p_value=1.0, test="paired bootstrap")
    same = comparison(
        task="regression", unit="m", differences=[difference], differing=0, differing_items=[], first_only=None
    )

    html = comparison_page(Compared(same, [picture()], contract(postprocessing=Regression(unit="m"))))

    assert "There are none: both answer every item alike." in html
    assert "RMSE (m)" in html


def test_card_tells_figures_data_and_where_the_model_comes_from() -> None:
    made = classifier()
    model = MadeModel(Path("nowhere"), None, None, RECIPES["wine"], 3)

    card = evaluated_card(model, made.subject.contract, made.report, None)

    assert "Which of three cultivars a wine was made from" in card
    assert "| accuracy | 90.0 % |" in card
    assert "-2.50 pt accuracy" in card
    assert "10 training, 5 validation, 6 test" in card
    assert "recipe: animals" in card
    assert "seed 7" in card
