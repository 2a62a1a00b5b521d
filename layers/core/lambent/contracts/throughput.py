"""throughput.json of a version: how fast it was where it was made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PositiveRate = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class _Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class ThreadsRate(_Contract, frozen=True, kw_only=True):
    """Items a second, preprocessed one by one and answered in batches, of an interpreter with so many threads."""

    threads: Count
    items_per_s: PositiveRate


class ServedRate(_Contract, frozen=True, kw_only=True):
    """The file of the CPU lane in the serving interpreter.

    runtime         package and version
    machine, cores  of the processor it was measured on
    prepared_per_s  preprocessing alone, on one thread
    """

    runtime: str
    machine: str
    cores: Count
    batch_size: Count
    prepared_per_s: PositiveRate
    rates: Annotated[tuple[ThreadsRate, ...], Meta(min_length=1)]

    def of(self, threads: int) -> ThreadsRate:
        """Return the rate of the most threads measured that are not more than these, or of the fewest."""
        fitting = [rate for rate in self.rates if rate.threads <= threads]
        return (
            max(fitting, key=lambda rate: rate.threads) if fitting else min(self.rates, key=lambda rate: rate.threads)
        )


class KerasRate(_Contract, frozen=True, kw_only=True):
    """The float model of the GPU lane on ready tensors, rows a second; only ``is_gpu`` tells anything of that lane."""

    backend: str
    device: str
    is_gpu: bool
    batch_size: Count
    rows_per_s: PositiveRate


class VersionThroughput(_Contract, frozen=True, kw_only=True):
    """throughput.json."""

    schema_version: Literal[1] = 1
    measured_at: str
    served: ServedRate | None = None
    keras: KerasRate | None = None
