"""How a quote, an estimate and a receipt look on a console."""

from __future__ import annotations

import copy
from io import StringIO

import pytest
from rich.console import Console

from lambent_toolkit.cli.quote_show import cost_facts, quote_view
from lambent_toolkit.openapi.quote_example import QUOTE

RECEIPT = {
    "lane": "cpu",
    "seconds": 41.5,
    "busy_s": 240.25,
    "gb_seconds": 415.0,
    "gpu_seconds": None,
    "usd": 0.0123,
}


def shown(quote: dict, *, width: int = 110) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(quote_view(quote))
    return console.file.getvalue()


def test_a_quote_shows_both_lanes_the_cost_in_parts_and_the_reason() -> None:
    text = shown(QUOTE)

    assert "digits@1  20,000 items (all items were read and checked)" in text
    assert "CPU (Lambda) ←" in text
    assert "GPU (AWS Batch)" in text
    assert "Lambda, 1769 MiB x86_64" in text
    assert "GB-s" in text
    assert "2026-11-27, us-east-1" in text
    assert "The CPU lane is the cheaper one." in " ".join(text.split())


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_figure_is_cut_off_however_narrow_the_screen(width: int) -> None:
    squeezed = "".join(shown(QUOTE, width=width).split())

    assert "…" not in squeezed
    for part in QUOTE["estimate"]["lanes"][0]["parts"]:
        assert f"{part['usd']:.6f}" in squeezed


def test_a_lane_that_cannot_run_or_was_never_measured_says_so() -> None:
    quote = copy.deepcopy(QUOTE)
    cpu, gpu = quote["estimate"]["lanes"]
    gpu["reason"] = "the version has no model.keras"
    cpu.update(throughput=None, seconds=None, usd=None, parts=[])
    quote["is_total_exact"] = False

    text = " ".join(shown(quote, width=200).split())

    assert "no: the version has no model.keras" in text
    assert "not measured" in text
    assert "about 20,000 items" in text


def test_a_job_shows_what_it_took_beside_what_was_expected() -> None:
    facts = dict(cost_facts({"estimate": QUOTE["estimate"], "receipt": RECEIPT}))

    assert facts["receipt"] == "41.5 s, 240.2 s of work, 415.0 GB-s, 0.012 USD"
    assert facts["estimate"].startswith("about ")
    assert dict(cost_facts({"receipt": {**RECEIPT, "lane": "gpu", "gpu_seconds": 12.0}}))["receipt"].startswith(
        "41.5 s"
    )


def test_a_job_without_estimate_and_receipt_shows_neither() -> None:
    unmeasured = {**QUOTE["estimate"], "seconds": None, "usd": None}

    assert cost_facts({}) == []
    assert cost_facts({"estimate": unmeasured, "receipt": None}) == []
