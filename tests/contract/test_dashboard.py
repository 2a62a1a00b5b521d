"""The dashboard is what its table says, and every line of it is of a metric that somebody sends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_metrics import is_kept
from template_expanded import ROOT, WITHOUT_GPU, expand, read_source

from lambent.domain.model import ModelRef, Target
from lambent.runtime import observability
from lambent_toolkit.dashboard.body import dashboard_body, with_body
from lambent_toolkit.dashboard.table import DEAD_LETTER_QUEUE_NAMES, FUNCTION_NAMES, OURS, QUEUE_NAMES, ROWS, Row

SOURCE = read_source()
CPU = expand(SOURCE, WITHOUT_GPU)
NAMES = {value: name for name, value in vars(observability).items() if name.isupper() and isinstance(value, str)}
CODE = [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "layers/core/lambent").rglob("*.py")]


def _id(row: Row) -> str:
    return f"{row.graph}-{row.label}"


def test_the_template_has_the_dashboard_of_the_table() -> None:
    body = SOURCE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]

    assert body == dashboard_body(), "run `make dashboard`"


def test_writing_it_anew_changes_nothing_else() -> None:
    text = (ROOT / "template.yaml").read_text()
    broken = re.sub(r"DashboardBody: !Sub .*", "DashboardBody: !Sub '{}'", text)

    assert with_body(broken) == text


def test_a_template_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="0 lines"):
        with_body("Resources: {}\n")


@pytest.mark.parametrize("row", [row for row in ROWS if row.namespace != OURS], ids=_id)
def test_a_line_of_aws_is_a_metric_that_aws_keeps(row: Row) -> None:
    assert is_kept(row.namespace, row.metric, frozenset(name for name, _ in row.dimensions))


@pytest.mark.parametrize("row", [row for row in ROWS if row.namespace == OURS], ids=_id)
def test_a_line_of_ours_is_a_metric_that_code_records(row: Row) -> None:
    name = NAMES[row.metric]
    users = [path for path in CODE if path.name != "observability.py" or name in ("REFUSED", "FAILED")]

    assert any(_uses(path, name) for path in users)


def _uses(path: Path, name: str) -> bool:
    """Tell whether a module does more with a name than to define or import it."""
    text = re.sub(rf"^{name} = .*$|^(?:from|import) .*(?:\((?:[^)]*)\))?$", "", path.read_text(), flags=re.MULTILINE)
    return re.search(rf"\b{name}\b", text) is not None


@pytest.mark.parametrize("has_target", [False, True])
def test_lines_of_ours_have_the_dimensions_that_records_carry(
    has_target: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target(ModelRef("digits", 7), None) if has_target else None
    metrics = {row.metric for row in ROWS if row.namespace == OURS}

    observability.record("tried", dict.fromkeys(metrics, 1.0), target=target)

    (told,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    kept = {frozenset(each) for each in told["Dimensions"]}
    wanted = {
        frozenset([*(name for name, _ in row.dimensions), *row.by])
        for row in ROWS
        if row.namespace == OURS and bool(row.by) <= has_target
    }
    assert told["Namespace"] == OURS
    assert {each["Name"] for each in told["Metrics"]} == metrics
    assert wanted <= kept


def test_the_dimension_service_is_this_stack_s_alone() -> None:
    functions = CPU.of_type("Lambda::Function")

    services = {name: each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for name, each in functions.items()}

    assert set(map(str, services.values())) == {str({"Ref": "AWS::StackName"})}
    assert {value for row in ROWS for name, value in row.dimensions if name == "service"} == {"${AWS::StackName}"}


def test_every_function_and_queue_that_is_always_there_has_its_lines() -> None:
    assert {f"{name}Function" for name in FUNCTION_NAMES} == CPU.of_type("Lambda::Function").keys()
    queues = {f"{name}Queue" for name in (*QUEUE_NAMES, *DEAD_LETTER_QUEUE_NAMES)}
    assert queues == CPU.of_type("SQS::Queue").keys()


def test_dead_letters_are_shown_recorded_and_unrecorded_beside_their_queues() -> None:
    (graph,) = {row.graph for row in ROWS if row.label in DEAD_LETTER_QUEUE_NAMES}

    ours = {row.metric for row in ROWS if row.graph == graph and row.namespace == OURS}

    assert ours == {observability.DEAD_LETTERS_RECORDED, observability.DEAD_LETTERS_UNRECORDED}


def test_the_api_is_named_as_its_metrics_are() -> None:
    (api,) = CPU.of_type("ApiGateway::RestApi").values()

    assert api["Name"] == {"Ref": "AWS::StackName"}


def test_every_row_is_a_line_of_its_own() -> None:
    assert len({_id(row) for row in ROWS}) == len(ROWS)
    graphs = [row.graph for row in ROWS]
    assert graphs == sorted(graphs, key=graphs.index), "rows of one graph stand together"


def test_each_alarm_goes_to_the_address_that_was_given() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:ops"
    by_mail = expand(SOURCE, {**WITHOUT_GPU, "AlarmEmail": "ops@example.org"})
    by_topic = expand(SOURCE, {**WITHOUT_GPU, "AlarmTopicArn": topic})

    assert _actions(by_mail) == {str([{"Ref": "AlarmTopic"}])}
    assert _actions(by_topic) == {str([topic])}


def _actions(template: Any) -> set[str]:
    return {str(alarm["AlarmActions"]) for alarm in template.of_type("CloudWatch::Alarm").values()}


def test_a_stack_can_do_without_the_dashboard() -> None:
    without = expand(SOURCE, {**WITHOUT_GPU, "DashboardEnabled": "false"})

    assert not without.of_type("CloudWatch::Dashboard")
    assert "DashboardName" not in without.outputs
