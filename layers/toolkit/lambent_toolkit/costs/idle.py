"""What a stack costs in a month of 30 days in which nobody asks it for anything."""

from __future__ import annotations

from dataclasses import dataclass

from lambent_toolkit.costs import prices
from lambent_toolkit.costs.prices import Rate

MONTH_S = 30 * 86_400
# Lambda keeps so many pollers at an idle queue, each of which asks for 20 s at a time.
# Source: docs.aws.amazon.com, "Using Lambda with Amazon SQS". AWS promises no number of pollers: bills show about five.
POLLERS, LONG_POLL_S = 5, 20
# Assumed, not measured on AWS: one run of the sweep that finds nothing, and what it and Lambda log of it.
SWEEP_S, SWEEP_LOG_BYTES = 0.15, 2_300
# Published models, code of functions and layers, rows: a small stack's.
STORED_GB = 0.5
IMAGE_GB = 8.0
_BYTES_PER_GB, _MIB_PER_GB = 1e9, 1024


@dataclass(frozen=True)
class Deployed:
    """What of a stack costs while it is idle; a contract test holds it to template.yaml.

    Parameters
    ----------
    event_sources      queues that Lambda polls
    alarms             each of one metric
    dashboards
    sweep_every_s      schedule of the sweep
    sweep_memory_mib
    sweep_metrics      custom metrics that an idle month has: what the sweep records
    image_gb           of the worker's image in ECR
    """

    event_sources: int
    alarms: int
    dashboards: int
    sweep_every_s: int
    sweep_memory_mib: int
    sweep_metrics: int
    image_gb: float = 0.0


CPU_STACK = Deployed(event_sources=5, alarms=17, dashboards=1, sweep_every_s=300, sweep_memory_mib=512, sweep_metrics=2)
GPU_STACK = Deployed(
    event_sources=5,
    alarms=18,
    dashboards=1,
    sweep_every_s=300,
    sweep_memory_mib=512,
    sweep_metrics=2,
    image_gb=IMAGE_GB,
)


@dataclass(frozen=True)
class Line:
    """One line of a month's bill.

    Parameters
    ----------
    what
    computation   in words and figures
    usd           in an account that uses its always-free amounts for nothing else
    usd_unfree    in one that has used them up
    """

    what: str
    computation: str
    usd: float
    usd_unfree: float


def idle_lines(stack: Deployed) -> list[Line]:
    """Return the bill of an idle month, line by line, in USD."""
    polls = stack.event_sources * POLLERS * MONTH_S / LONG_POLL_S
    sweeps = MONTH_S / stack.sweep_every_s
    log_gb = sweeps * SWEEP_LOG_BYTES / _BYTES_PER_GB
    work = sweeps * SWEEP_S * stack.sweep_memory_mib / _MIB_PER_GB
    lines = [
        _line(
            "SQS: Lambda asks the queues",
            f"{stack.event_sources} queues x {POLLERS} pollers x {MONTH_S // LONG_POLL_S:,} long polls",
            (prices.QUEUE_REQUEST, polls),
        ),
        _line("CloudWatch alarms", f"{stack.alarms} alarms of one metric", (prices.ALARM, stack.alarms)),
        _line("CloudWatch dashboard", f"{stack.dashboards} of up to 50 metrics", (prices.DASHBOARD, stack.dashboards)),
        _line(
            "Custom metrics", f"{stack.sweep_metrics}, which the sweep records", (prices.METRIC, stack.sweep_metrics)
        ),
        _line(
            "SweepFunction",
            f"{sweeps:,.0f} runs of {SWEEP_S} s with {stack.sweep_memory_mib} MiB, their traces, logs and reads",
            (prices.LAMBDA_REQUEST, sweeps),
            (prices.LAMBDA_GB_SECOND, work),
            (prices.TRACE, sweeps),
            (prices.LOG_GB, log_gb),
            (prices.ROW_READ, sweeps),
        ),
        _line("Models, code and rows", f"{STORED_GB} GB", (prices.STORED_GB, STORED_GB)),
    ]
    if stack.image_gb:
        lines.append(_line("Worker's image in ECR", f"{stack.image_gb:g} GB", (prices.IMAGE_GB, stack.image_gb)))
    return lines


def total(lines: list[Line]) -> tuple[float, float]:
    """Return the sums, with the always-free amounts and without, in USD."""
    return sum(line.usd for line in lines), sum(line.usd_unfree for line in lines)


def _line(what: str, computation: str, *amounts: tuple[Rate, float]) -> Line:
    usd, unfree = (
        sum(rate.usd(quantity, with_free=with_free) for rate, quantity in amounts) for with_free in (True, False)
    )
    return Line(what, computation, usd, unfree)
