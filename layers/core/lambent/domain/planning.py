"""Which lane a batch takes, by measured throughput and list prices, with the reasons in words."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from lambent.contracts.quotes import LaneEstimate
from lambent.domain.lanes import FETCH_S, FETCHERS, GPU_HOST_START_S, Lanes, Work, on_cpu, on_gpu
from lambent.domain.prices import SPOT_SHARE, PriceTable
from lambent.domain.throughput import Rate
from lambent.errors import LaneUnavailable

_LANE_NAMES = {"cpu": "CPU lane", "gpu": "GPU lane"}
_MINUTE_S, _HOUR_S = 60, 3600
_TOLD_IN_SECONDS_S = 120


@dataclass(frozen=True)
class Decision:
    """The lane taken, what was expected of both, and why.

    notes   what makes the figures uncertain
    """

    taken: LaneEstimate
    lanes: tuple[LaneEstimate, LaneEstimate]
    why: str
    notes: list[str]


def decide(work: Work, lanes: Lanes, *, cpu: Rate | None, gpu: Rate | None, prices: PriceTable) -> Decision:
    """Choose the lane of a batch, the size of its shards and how many run at once.

    It is the cheaper lane that is done before the deadline; if none is, the faster one. A lane that nobody has measured
    is taken only if the other cannot run the batch, or if the caller insists.

    Parameters
    ----------
    work, lanes   the batch, and what this stack has
    cpu, gpu      the rate of one worker of each lane; None if nobody has measured it
    prices

    Raises
    ------
    LaneUnavailable   the lane asked for cannot run this batch here, or none can
    """
    both = (on_cpu(work, lanes, cpu, prices), on_gpu(work, lanes, gpu, prices))
    taken = _taken(work.asked, *both)
    why = f"{_told(both[0])} {_told(both[1])} {_reason(taken, both, work)}"
    rate = cpu if taken.lane == "cpu" else gpu
    return Decision(taken, both, why, _notes(work, taken, rate))


def _taken(asked: str, cpu: LaneEstimate, gpu: LaneEstimate) -> LaneEstimate:
    able = [lane for lane in (cpu, gpu) if lane.reason is None]
    if asked == "auto" and not able:
        raise LaneUnavailable(
            f"No lane of this stack can run this batch: {cpu.reason} (cpu); {gpu.reason} (gpu).", field="lane"
        )
    if asked == "auto":
        return _best(able)
    wanted = cpu if asked == "cpu" else gpu
    if wanted.reason is not None:
        raise LaneUnavailable(
            f"The {asked} lane cannot run this batch: {wanted.reason}. Ask for lane auto.", field="lane", got=asked
        )
    return wanted


def _best(able: list[LaneEstimate]) -> LaneEstimate:
    measured = [lane for lane in able if lane.seconds is not None]
    if not measured:
        return able[0]  # the CPU lane if it can: it starts in seconds
    in_time = [lane for lane in measured if lane.is_on_time is not False]
    return min(in_time, key=_usd_then_seconds) if in_time else min(measured, key=_seconds)


def _usd_then_seconds(lane: LaneEstimate) -> tuple[float, float]:
    return (inf if lane.usd is None else lane.usd, _seconds(lane))


def _seconds(lane: LaneEstimate) -> float:
    return inf if lane.seconds is None else lane.seconds


def _told(lane: LaneEstimate) -> str:
    """Return one sentence on a lane."""
    name = _LANE_NAMES[lane.lane]
    if lane.reason is not None:
        return f"{name}: no, {lane.reason}."
    if lane.throughput is None or lane.seconds is None:
        return f"{name}: nobody has measured this version there."
    view = lane.throughput
    source = "measured at publishing" if view.source == "published" else _observed(view.jobs, view.job)
    cost = "no price known" if lane.usd is None else f"{dollars(lane.usd)}"
    return (
        f"{name}: {shown_rate(view.items_per_s)} items/s a worker ({source} on {view.device}, {view.at[:10]}), "
        f"{_number(lane.shards, 'shard')} of {lane.shard_items:,} on {_number(lane.workers, 'worker')}: "
        f"{duration(lane.seconds)}, {cost}."
    )


def _observed(jobs: int, job: str | None) -> str:
    latest = f", the latest {job}" if job else ""
    return f"observed in {_number(jobs, 'job')}{latest}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _reason(taken: LaneEstimate, both: tuple[LaneEstimate, ...], work: Work) -> str:
    """Return why this lane was taken, and whether that will do."""
    name = _LANE_NAMES[taken.lane]
    why = f"The {name} {_because(taken, both, work)}."
    if taken.is_on_time is False:
        return f"{why} It will probably miss the deadline, {duration(work.seconds_left or 0)} from now."
    return why


def _because(taken: LaneEstimate, both: tuple[LaneEstimate, ...], work: Work) -> str:
    (other,) = (lane for lane in both if lane is not taken)
    if work.asked != "auto":
        return "is what the request asks for"
    if other.reason is not None:
        return "is the only one that can run it"
    if taken.seconds is None:
        return "is taken because it starts sooner; its first job will be measured"
    if other.seconds is None:
        return "is taken: nobody has measured the other one"
    return _against(taken, other, work)


def _against(taken: LaneEstimate, other: LaneEstimate, work: Work) -> str:
    """Return what decided between two lanes that were measured."""
    if taken.is_on_time is False:
        return "is the faster one"
    if other.is_on_time is False:
        return f"is the one that meets the deadline, {duration(work.seconds_left or 0)} from now"
    return "is the cheaper one"


def _notes(work: Work, taken: LaneEstimate, rate: Rate | None) -> list[str]:
    if rate is None:
        return ["Nobody has measured this version on the lane taken, so there is no estimate of it."]
    notes = [rate.note] if rate.note else []
    if work.objects and not rate.with_fetching and taken.lane == "cpu":
        notes.append(f"Assumed: {FETCH_S} s until S3 gives an object, {FETCHERS} at once.")
    if taken.lane == "gpu":
        notes.append(f"Assumed: {GPU_HOST_START_S:.0f} s until a host with a GPU is up.")
        notes.append(f"Spot prices move; assumed: {SPOT_SHARE:.0%} of the price on demand.")
    return notes


def duration(seconds: float) -> str:
    """Return seconds in words: ``about 90 s``, ``about 12 min``, ``about 3.5 h``."""
    if seconds < _TOLD_IN_SECONDS_S:
        return f"about {seconds:.0f} s"
    if seconds < _TOLD_IN_SECONDS_S * _MINUTE_S:
        return f"about {seconds / _MINUTE_S:.0f} min"
    return f"about {seconds / _HOUR_S:.1f} h"


def dollars(usd: float) -> str:
    """Return USD with two significant digits, and whole cents from ten dollars on."""
    return f"{usd:,.2f} USD" if usd >= 10 else f"{usd:.2g} USD" if usd >= 0.0001 else "less than 0.0001 USD"  # noqa: PLR2004


def shown_rate(items_per_s: float) -> str:
    """Return a rate with three digits, and without an exponent."""
    return f"{float(f'{items_per_s:.3g}'):,.10g}"
