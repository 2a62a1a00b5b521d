"""What this execution environment has answered, in the words of Triton's statistics extension.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md. The counts are those
of one process: an environment starts at zero, and each of several tells its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import time_ns
from typing import Any

from lambent.domain.model import ModelRef
from lambent.services.predict import Timings

_NS_PER_MS = 1_000_000
# Steps of a call that make up Triton's three; finding and loading the version is part of none.
_COMPUTE = {
    "compute_input": ("decode", "preprocess"),
    "compute_infer": ("infer",),
    "compute_output": ("postprocess", "encode"),
}


@dataclass
class _Duration:
    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns

    def to_dict(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


def _compute() -> dict[str, _Duration]:
    return {name: _Duration() for name in _COMPUTE}


@dataclass
class _VersionStatistics:
    last_inference_ms: int = 0
    rows: int = 0
    success: _Duration = field(default_factory=_Duration)
    fail: _Duration = field(default_factory=_Duration)
    compute: dict[str, _Duration] = field(default_factory=_compute)
    batches: dict[int, dict[str, _Duration]] = field(default_factory=dict)


class Statistics:
    """Counts and durations by version."""

    def __init__(self) -> None:
        self._versions: dict[ModelRef, _VersionStatistics] = {}

    def succeeded(self, timings: Timings, *, total_ns: int) -> None:
        """Count an answered call by the version, the rows and the steps that ``timings`` holds."""
        if timings.model is None:
            return
        version = self._versions.setdefault(timings.model, _VersionStatistics())
        version.last_inference_ms = time_ns() // _NS_PER_MS
        version.rows += timings.rows
        version.success.add(total_ns)
        batch = version.batches.setdefault(timings.rows, _compute())
        for name, steps in _COMPUTE.items():
            ns = int(sum(timings.steps_ms.get(step, 0.0) for step in steps) * _NS_PER_MS)
            version.compute[name].add(ns)
            batch[name].add(ns)

    def failed(self, timings: Timings, *, total_ns: int) -> None:
        """Count a refused or failed call, if it came as far as a loaded version."""
        if timings.model is not None:
            self._versions.setdefault(timings.model, _VersionStatistics()).fail.add(total_ns)

    def describe(self, refs: Iterable[ModelRef] | None = None) -> dict[str, Any]:
        """Return the statistics of these versions, or of all that were called here, as the protocol's JSON object."""
        chosen = sorted(self._versions, key=lambda ref: (ref.name, ref.version)) if refs is None else refs
        return {"model_stats": [_describe(ref, self._versions.get(ref, _VersionStatistics())) for ref in chosen]}


def _describe(ref: ModelRef, version: _VersionStatistics) -> dict[str, Any]:
    never = _Duration().to_dict()
    return {
        "name": ref.name,
        "version": str(ref.version),
        "last_inference": version.last_inference_ms,
        "inference_count": version.rows,
        "execution_count": version.success.count,
        "inference_stats": {
            "success": version.success.to_dict(),
            "fail": version.fail.to_dict(),
            # A call has its environment to itself: nothing waits here.
            "queue": {"count": version.success.count, "ns": 0},
            **{name: duration.to_dict() for name, duration in version.compute.items()},
            "cache_hit": never,
            "cache_miss": never,
        },
        "batch_stats": [
            {"batch_size": rows, **{name: duration.to_dict() for name, duration in steps.items()}}
            for rows, steps in sorted(version.batches.items())
        ],
        "memory_usage": [],
    }
