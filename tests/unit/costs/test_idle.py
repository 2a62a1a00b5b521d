"""A bill of an idle month, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambent.domain.prices import Price
from lambent_toolkit.costs.idle import CPU_STACK, GPU_STACK, idle_lines, total
from lambent_toolkit.costs.predictions import growing, ways
from lambent_toolkit.costs.prices import EVERY, Rate
from lambent_toolkit.costs.tables import idle_rows


def test_what_is_free_is_taken_off_once_and_never_below_nothing() -> None:
    rate = Rate(Price(0.10, "alarm", "here"), free=10)

    assert rate.usd(15, with_free=True) == pytest.approx(0.50)
    assert rate.usd(15, with_free=False) == pytest.approx(1.50)
    assert rate.usd(3, with_free=True) == 0


def test_polling_is_five_pollers_of_three_polls_a_minute_for_each_queue() -> None:
    lines = idle_lines(CPU_STACK)

    polling = lines[0]
    polls = 5 * 5 * 3 * 60 * 24 * 30
    assert polling.usd == pytest.approx((polls - 1_000_000) * 0.40e-6)
    assert polling.usd_unfree == pytest.approx(polls * 0.40e-6)


def test_a_gpu_lane_adds_its_image_and_its_alarm() -> None:
    usd, unfree = (
        gpu - cpu for gpu, cpu in zip(total(idle_lines(GPU_STACK)), total(idle_lines(CPU_STACK)), strict=True)
    )

    assert usd == pytest.approx(unfree) == pytest.approx(8 * 0.10 + 0.10)


def test_a_stack_without_its_dashboard_costs_as_much_where_three_are_free() -> None:
    without = total(idle_lines(replace(CPU_STACK, dashboards=0)))

    assert without[0] == total(idle_lines(CPU_STACK))[0]
    assert without[1] == pytest.approx(total(idle_lines(CPU_STACK))[1] - 3.0)


def test_the_sum_is_that_of_its_lines() -> None:
    usd, unfree = total(idle_lines(CPU_STACK))

    assert idle_rows(CPU_STACK)[-1] == ("sum", "", f"{usd:.2f}", f"{unfree:.2f}")


def test_the_gateway_is_most_of_a_prediction_by_http() -> None:
    jpeg = ways()[0]

    assert jpeg.gateway == pytest.approx(3.50)
    # 6 ms of 1769 MiB, and a request
    assert jpeg.compute == pytest.approx(1e6 * 0.006 * 1769 / 1024 * 0.0000166667 + 0.20)
    assert jpeg.gateway / jpeg.total > 0.7


def test_a_batch_has_no_gateway() -> None:
    (batch,) = [way for way in ways() if way.what.startswith("batch")]

    assert batch.gateway == 0
    assert 0 < batch.total < ways()[0].total


def test_traces_of_a_busy_month_are_the_first_of_each_second_and_one_in_twenty() -> None:
    usd = dict(growing())["traces of 50 requests a second, all month"]

    assert usd == pytest.approx(30 * 86_400 * (1 + 0.05 * 50) * 5e-6)


def test_every_price_has_a_source() -> None:
    assert all(rate.price.source and rate.price.usd > 0 for rate in EVERY)
