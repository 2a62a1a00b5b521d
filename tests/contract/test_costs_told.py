"""What documents say of costs is what the price table, the template and the measured times give."""

from __future__ import annotations

import re

import pytest
from template_expanded import ROOT, WITH_GPU, WITHOUT_GPU, ExpandedTemplate, expand, read_source

from lambent.domain.model import ModelRef, Target
from lambent.runtime import observability
from lambent_toolkit.costs.idle import CPU_STACK, GPU_STACK, Deployed, idle_lines, total
from lambent_toolkit.costs.predictions import (
    BARE_MS,
    HANDLER_MS,
    INT8_SHARE,
    MEMORY_MIB,
    RECORD_BYTES,
    VERSION_METRICS,
    ways,
)
from lambent_toolkit.costs.tables import markdown

SOURCE = read_source()
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(("stack", "parameters"), [(CPU_STACK, WITHOUT_GPU), (GPU_STACK, WITH_GPU)], ids=["cpu", "gpu"])
def test_an_idle_stack_is_the_template_s(stack: Deployed, parameters: dict[str, str]) -> None:
    template = expand(SOURCE, parameters)
    (schedule,) = [
        each["ScheduleExpression"] for each in template.of_type("Events::Rule").values() if "ScheduleExpression" in each
    ]

    assert stack.event_sources == len(template.of_type("Lambda::EventSourceMapping"))
    assert stack.alarms == len(template.of_type("CloudWatch::Alarm"))
    assert stack.dashboards == len(template.of_type("CloudWatch::Dashboard"))
    assert schedule == f"rate({stack.sweep_every_s // 60} minutes)"
    assert stack.sweep_memory_mib == template.of_type("Lambda::Function")["SweepFunction"]["MemorySize"]
    assert bool(stack.image_gb) == bool(template.of_type("Batch::JobDefinition"))


def test_nothing_else_of_the_template_is_billed_by_the_hour() -> None:
    """A kind that is billed while nothing happens would be missing from the table."""
    template = expand(SOURCE, WITH_GPU)
    kinds = {each["Type"] for each in template.resources.values()}

    by_the_hour = {
        "EC2::NatGateway",
        "EC2::EIP",
        "KMS::Key",
        "WAFv2::WebACL",
        "EC2::Instance",
        "SecretsManager::Secret",
    }
    assert not kinds & {f"AWS::{kind}" for kind in by_the_hour}
    assert {each["VpcEndpointType"] for each in template.of_type("EC2::VPCEndpoint").values()} == {"Gateway"}
    assert _classes(template) == {"STANDARD"}


def _classes(template: ExpandedTemplate) -> set[str]:
    """Return the kinds of alarms: of one metric each, and looked at once a minute or less often."""
    alarms = template.of_type("CloudWatch::Alarm").values()
    return {"STANDARD" if each["Period"] >= 60 and "MetricName" in each else "DEAR" for each in alarms}


def test_the_document_of_functions_has_the_tables() -> None:
    assert markdown() in (ROOT / "functions/README.md").read_text(), "see lambent_toolkit.costs.tables.markdown"


def test_the_readme_tells_no_other_figure_of_a_month() -> None:
    """Hold each `… to … USD a month` of the README to the table; the README may leave them to functions/README.md."""
    told = re.findall(r"([0-9]+\.[0-9]{2}) to ([0-9]+\.[0-9]{2}) USD a month", README)
    known = [tuple(f"{usd:.2f}" for usd in total(idle_lines(stack))) for stack in (CPU_STACK, GPU_STACK)]

    assert [each for each in told if each not in known] == []


def test_the_readme_tells_no_other_figure_of_a_million() -> None:
    told = re.findall(r"([0-9]+\.[0-9]{2}) of ([0-9]+\.[0-9]{2}) USD", README)
    known = [(f"{way.gateway:.2f}", f"{way.total:.2f}") for way in ways()]

    assert [each for each in told if each not in known] == []


def _measured(work: str) -> list[float]:
    """Return the first number of each cell of a row of the README's table of times."""
    (row,) = (line for line in README.splitlines() if line.startswith(f"| {work}"))
    return [float(found[0]) for cell in row.strip("|").split("|")[1:] if (found := re.findall(r"[0-9.]+[0-9]", cell))]


def test_handler_times_are_those_that_the_readme_has_measured() -> None:
    jpeg, binary, json = HANDLER_MS.values()

    assert _measured("JPEG")[1] == jpeg
    assert _measured("224")[1] == binary
    assert _measured("28")[1] == json


def test_the_time_of_a_picture_in_a_shard_is_the_readme_s() -> None:
    share = re.search(r"([0-9]+) % \(int8\)", README)

    assert _measured("JPEG")[0] == BARE_MS
    assert share is not None
    assert int(share[1]) == round(100 * INT8_SHARE)


@pytest.mark.parametrize("name", ["PredictFunction", "InferFunction"])
def test_a_prediction_has_the_memory_that_it_is_billed_for(name: str) -> None:
    function = expand(SOURCE, WITHOUT_GPU).of_type("Lambda::Function")[name]

    assert function["MemorySize"] == MEMORY_MIB


def test_the_record_of_a_prediction_has_the_size_and_metrics_that_are_billed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = {observability.REQUESTS: 1, observability.PREDICTIONS: 1, observability.PREDICT_LATENCY: 5.971}
    steps = {f"{name}_ms": 1.234 for name in ("read", "fetch", "decode", "preprocess", "infer", "postprocess")}

    observability.begin_invocation("8c3b1d1e-3b1d-4c3b-9d1e-8c3b1d1e3b1d", is_cold_start=False)
    observability.record("predicted", counts, target=Target(ModelRef("mobilenet", 12), None), **steps)

    assert len(capsys.readouterr().out) == pytest.approx(RECORD_BYTES, rel=0.15)
    assert len(counts) == VERSION_METRICS
