"""How fast a lane is for a version: measured where the version was made, or observed in finished jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lambent.contracts.quotes import ThroughputView
from lambent.contracts.throughput import VersionThroughput
from lambent.domain.model import ModelRef
from lambent.domain.vcpus import first_vcpu

# What the latest job weighs against all before it: five jobs later a third of an old figure is left.
LATEST_WEIGHT = 0.2


@dataclass(frozen=True)
class ObservedThroughput:
    """What the finished jobs of a version on one lane of this stack have shown; ``revision`` counts them from 1.

    items_per_s   of one worker while it works, with fetching and everything: an exponentially weighted mean
    device        what the lane ran on at the latest job: memory and architecture, or instance types
    memory_mib    of the function of the CPU lane, None on the GPU lane
    at            when the latest job ended
    tenant, job_id   the latest job
    """

    ref: ModelRef
    lane: Literal["cpu", "gpu"]
    items_per_s: float
    device: str
    memory_mib: int | None
    at: str
    tenant: str
    job_id: str
    revision: int = 1


def with_job(known: ObservedThroughput | None, latest: ObservedThroughput) -> ObservedThroughput | None:
    """Return what is known once one more job has ended; None if that job is counted already.

    Parameters
    ----------
    known    what the jobs before have shown, None if there were none
    latest   what this job alone has shown
    """
    if known is None:
        return latest
    if (known.tenant, known.job_id) == (latest.tenant, latest.job_id):
        return None
    # After another amount of memory the old figure is of another machine.
    weight = LATEST_WEIGHT if known.memory_mib == latest.memory_mib else 1.0
    mean = known.items_per_s + weight * (latest.items_per_s - known.items_per_s)
    return ObservedThroughput(
        ref=latest.ref,
        lane=latest.lane,
        items_per_s=mean,
        device=latest.device,
        memory_mib=latest.memory_mib,
        at=latest.at,
        tenant=latest.tenant,
        job_id=latest.job_id,
        revision=known.revision + 1,
    )


@dataclass(frozen=True)
class Rate:
    """Items a second of one worker of a lane, and where the figure comes from.

    with_fetching   whether fetching the items is in it
    note            what makes it uncertain, empty if nothing does
    """

    items_per_s: float
    with_fetching: bool
    view: ThroughputView
    note: str = ""


def cpu_rate(
    published: VersionThroughput | None,
    observed: ObservedThroughput | None,
    *,
    tenant: str,
    memory_mib: int,
    threads: int,
    architecture: str,
) -> Rate | None:
    """Return the rate of an execution environment; None if nobody has measured it. What jobs have shown comes first."""
    if observed is not None:
        share = first_vcpu(memory_mib) / first_vcpu(observed.memory_mib or memory_mib)
        return _observed(observed, tenant=tenant, items_per_s=observed.items_per_s * share)
    if published is None or published.served is None:
        return None
    served = published.served
    measured = served.of(threads)
    device = f"{served.machine}, {measured.threads} of {served.cores} cores, {served.runtime}"
    note = f"Measured on {served.machine}, the functions are {architecture}." if served.machine != architecture else ""
    return _published(published, measured.items_per_s * first_vcpu(memory_mib), device, note)


def gpu_rate(
    published: VersionThroughput | None, observed: ObservedThroughput | None, *, tenant: str, vcpus: int
) -> Rate | None:
    """Return the rate of a container with a GPU; None if nobody has measured it.

    Keras measured on a processor says nothing of a GPU. On one, preprocessing on the container's vCPUs may be slower.
    """
    if observed is not None:
        return _observed(observed, tenant=tenant, items_per_s=observed.items_per_s)
    if published is None or published.keras is None or not published.keras.is_gpu:
        return None
    keras = published.keras
    prepared = published.served.prepared_per_s * vcpus if published.served else keras.rows_per_s
    device = f"{keras.device}, Keras on {keras.backend}"
    return _published(published, min(keras.rows_per_s, prepared), device, "Measured on another GPU than the lane's.")


def _observed(observed: ObservedThroughput, *, tenant: str, items_per_s: float) -> Rate:
    view = ThroughputView(
        items_per_s=items_per_s,
        device=observed.device,
        source="observed",
        at=observed.at,
        jobs=observed.revision,
        job=observed.job_id if observed.tenant == tenant else None,  # nobody learns another tenant's ids
    )
    return Rate(items_per_s, with_fetching=True, view=view)


def _published(published: VersionThroughput, items_per_s: float, device: str, note: str) -> Rate:
    view = ThroughputView(items_per_s=items_per_s, device=device, source="published", at=published.measured_at)
    return Rate(items_per_s, with_fetching=False, view=view, note=note)
