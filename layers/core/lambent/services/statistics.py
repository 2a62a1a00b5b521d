"""What this execution environment has answered, in the words of Triton's statistics extension.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md. The counts are those
of one process: an environment starts at zero, and each of several tells its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import time_ns
from typing import Any

from lambent.domain.model import ModelRef
from lambent.services.predict import Timings

_NS_PER_MS = 1_000_000


@dataclass(slots=True)
class _Batch:
    """Calls of one number of rows; finding and loading the version is part of none of the three durations."""

    count: int = 0
    input_ms: float = 0.0
    infer_ms: float = 0.0
    output_ms: float = 0.0

    def add(self, steps_ms: Mapping[str, float]) -> None:
        self.count += 1
        self.input_ms += steps_ms.get("decode", 0.0) + steps_ms.get("preprocess", 0.0)
        self.infer_ms += steps_ms.get("infer", 0.0)
        self.output_ms += steps_ms.get("postprocess", 0.0) + steps_ms.get("encode", 0.0)

    def durations(self) -> dict[str, dict[str, int]]:
        """Return Triton's three durations."""
        return {
            "compute_input": _duration(self.count, self.input_ms * _NS_PER_MS),
            "compute_infer": _duration(self.count, self.infer_ms * _NS_PER_MS),
            "compute_output": _duration(self.count, self.output_ms * _NS_PER_MS),
        }


@dataclass(slots=True)
class _VersionStatistics:
    last_inference_ms: int = 0
    success_ns: int = 0
    fail_count: int = 0
    fail_ns: int = 0
    batches: dict[int, _Batch] = field(default_factory=dict)

    def total(self) -> _Batch:
        """Return all calls, whatever their number of rows."""
        batches = self.batches.values()
        return _Batch(
            sum(batch.count for batch in batches),
            sum(batch.input_ms for batch in batches),
            sum(batch.infer_ms for batch in batches),
            sum(batch.output_ms for batch in batches),
        )


class Statistics:
    """Counts and durations by version."""

    def __init__(self) -> None:
        self._versions: dict[ModelRef, _VersionStatistics] = {}

    def succeeded(self, timings: Timings, *, total_ns: int) -> None:
        """Count an answered call by the version, the rows and the steps that ``timings`` holds."""
        if timings.model is None:
            return
        version = self._of(timings.model)
        version.last_inference_ms = time_ns() // _NS_PER_MS
        version.success_ns += total_ns
        batch = version.batches.get(timings.rows)
        if batch is None:
            batch = version.batches[timings.rows] = _Batch()
        batch.add(timings.steps_ms)

    def failed(self, timings: Timings, *, total_ns: int) -> None:
        """Count a refused or failed call, if it came as far as a loaded version."""
        if timings.model is not None:
            version = self._of(timings.model)
            version.fail_count += 1
            version.fail_ns += total_ns

    def _of(self, ref: ModelRef) -> _VersionStatistics:
        version = self._versions.get(ref)
        if version is None:
            version = self._versions[ref] = _VersionStatistics()
        return version

    def describe(self, refs: Iterable[ModelRef] | None = None) -> dict[str, Any]:
        """Return the statistics of these versions, or of all that were called here, as the protocol's JSON object."""
        chosen = sorted(self._versions, key=lambda ref: (ref.name, ref.version)) if refs is None else refs
        return {"model_stats": [_describe(ref, self._versions.get(ref, _VersionStatistics())) for ref in chosen]}


def _describe(ref: ModelRef, version: _VersionStatistics) -> dict[str, Any]:
    total = version.total()
    return {
        "name": ref.name,
        "version": str(ref.version),
        "last_inference": version.last_inference_ms,
        "inference_count": sum(rows * batch.count for rows, batch in version.batches.items()),
        "execution_count": total.count,
        "inference_stats": {
            "success": _duration(total.count, version.success_ns),
            "fail": _duration(version.fail_count, version.fail_ns),
            # A call has its environment to itself: nothing waits here.
            "queue": _duration(total.count, 0),
            **total.durations(),
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
        "batch_stats": [{"batch_size": rows, **batch.durations()} for rows, batch in sorted(version.batches.items())],
        "memory_usage": [],
    }


def _duration(count: int, ns: float) -> dict[str, int]:
    return {"count": count, "ns": int(ns)}
