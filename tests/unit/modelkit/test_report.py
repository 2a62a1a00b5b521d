"""report.json, and how tables tell of it."""

import json
import re

import pytest
from rich.console import Console

from lambent_toolkit.cli.evaluate import print_report
from lambent_toolkit.cli.tables import mistakes, variants_table
from lambent_toolkit.modelkit.errors import ReportOutdated
from lambent_toolkit.modelkit.evaluating.tables import figures_table
from lambent_toolkit.modelkit.evaluating.tables import variants_table as page_variants_table
from lambent_toolkit.modelkit.evaluating.wording import key_figures, loss_text
from lambent_toolkit.modelkit.quantization_report import Loss
from lambent_toolkit.modelkit.report import decode_report
from lambent_toolkit.modelkit.step_files import to_json
from lambent_toolkit.reporting.page import Column, Table
from lambent_toolkit.reporting.terminal import terminal_table
from measured import classifier_report, regression_report, report


def printed(table: object, *, width: int = 160) -> str:
    console = Console(width=width, record=True)
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize(
    "made",
    [classifier_report([0, 1, 2, 1], [0, 1, 2, 2]), regression_report([1.0, 2.5], [1.0, 2.0]), report(task="raw")],
    ids=["classification", "regression", "raw"],
)
def test_report_is_read_as_it_was_written(made: object) -> None:
    assert decode_report(to_json(made), of="animals") == made


def test_report_of_an_earlier_release_is_refused_with_what_to_do() -> None:
    body = json.dumps({"schema_version": 1, "recipe": "digits", "confusion": []}).encode()

    with pytest.raises(ReportOutdated, match=r"report.json of digits@3 has schema_version 1.*`lambent evaluate` again"):
        decode_report(body, of="digits@3")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"schema_version": 3}'])
def test_report_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(ReportOutdated, match="cannot be read"):
        decode_report(body, of="x")


@pytest.mark.parametrize("changes", [{"published": "int16x8"}, {"reference": "saved_model"}])
def test_report_without_a_variant_that_it_speaks_of_is_refused(changes: dict[str, str]) -> None:
    body = {**json.loads(to_json(report())), **changes}

    with pytest.raises(ReportOutdated, match=next(iter(changes.values()))):
        decode_report(json.dumps(body).encode(), of="x")


def test_mistakes_are_told_commonest_first() -> None:
    made = classifier_report([0, 1, 1, 1, 1, 0], [0, 1, 2, 2, 2, 1])

    assert mistakes(made) == "4 mistakes: cat read as bee (3), bee read as ant (1)"


def test_no_mistakes_are_told_as_such() -> None:
    assert mistakes(classifier_report([0, 1], [0, 1])) == "no mistakes"


def test_variants_stand_side_by_side() -> None:
    shown = printed(variants_table(report()), width=80)
    on_the_page = page_variants_table(report())

    assert re.search(r"^int8 +90.0 % +90.0 % +- +1.0 +0.4 +0.100 +0.200 *$", shown, re.MULTILINE)
    assert "keras" in shown
    assert on_the_page.rows[1][-3:] == ["0.100", "0.200", "ai-edge-litert 1.4.0"]


def test_the_terminal_names_the_interpreter_of_what_is_published() -> None:
    console = Console(width=80, record=True)

    print_report(console, report())

    assert "int8 in ai-edge-litert 1.4.0 on" in console.export_text()


def test_a_narrow_terminal_breaks_long_names_and_cuts_none() -> None:
    table = Table((Column("name"), Column("value", is_number=True)), [["a" * 50, "0.123456789"]])

    shown = printed(terminal_table(table), width=30)

    assert shown.count("a") == 50 + len("name value") - len("nme vlue")
    assert "…" not in shown


def test_variants_of_a_regression_have_its_figures() -> None:
    shown = printed(variants_table(report(task="regression")))

    assert "RMSE" in shown
    assert "accuracy" not in shown


def test_key_figures_come_with_their_intervals_and_units() -> None:
    figures = {name: (value, interval) for name, value, interval in key_figures(regression_report([1, 2.5], [1, 2]))}

    assert figures["RMSE"] == ("0.3536 m", "0 to 0.5 m")
    assert figures["R²"][0] == "0.5"


def test_figures_that_are_not_defined_say_so() -> None:
    shown = printed(terminal_table(figures_table(key_figures(classifier_report([0, 0], [0, 0])))))

    assert "AUC, one against the rest" in shown
    assert "not defined" in shown


def test_a_loss_is_told_from_the_served_file_s_side() -> None:
    loss = Loss(value=1.25, low=-0.5, high=3.0, only_float_right=7, only_variant_right=2)

    told = loss_text(loss, classifier_report([0, 1], [0, 1], loss=loss))

    assert told.startswith("-1.25 pt accuracy (95 %: -3.00 to +0.50)")
