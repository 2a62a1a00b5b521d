"""Which lane a batch takes and how it is cut into shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lambent.errors import LaneUnavailable

# AWS Batch takes arrays of 10,000; one function call reads all parts when the job ends, which bounds it here.
MAX_SHARDS = 1_000
CPU_SHARD_ITEMS = 25
# Starting a GPU host takes minutes; below this many items the CPU lane is done before the host is up.
GPU_MIN_ITEMS = 10_000


@dataclass(frozen=True)
class LaneChoice:
    """The lane and the reason for it."""

    lane: Literal["cpu", "gpu"]
    why: str


def choose_lane(asked: str, *, items: int, is_gpu_deployed: bool, files: frozenset[str]) -> LaneChoice:
    """Choose the lane of a batch.

    Parameters
    ----------
    asked : str              auto, cpu or gpu
    items : int              how many items the manifest has
    is_gpu_deployed : bool   whether the stack has the GPU lane
    files                    the version's files: the CPU lane needs model.tflite, the GPU lane model.keras

    Raises
    ------
    LaneUnavailable   the lane asked for cannot run this version here, or none can
    """
    can_cpu = "model.tflite" in files
    can_gpu = is_gpu_deployed and "model.keras" in files
    if asked == "gpu":
        return _insist(can_gpu, "gpu", "this stack has no GPU lane" if not is_gpu_deployed else "no model.keras")
    if asked == "cpu":
        return _insist(can_cpu, "cpu", "no model.tflite")
    if can_gpu and (items >= GPU_MIN_ITEMS or not can_cpu):
        return LaneChoice("gpu", f"{items} items reach the GPU lane's threshold of {GPU_MIN_ITEMS}")
    if can_cpu:
        return LaneChoice("cpu", f"{items} items are below the GPU lane's threshold, or the GPU lane is not available")
    raise LaneUnavailable("No lane of this stack can run this model version.", field="lane")


def _insist(can: bool, lane: Literal["cpu", "gpu"], reason: str) -> LaneChoice:
    if not can:
        raise LaneUnavailable(
            f"The {lane} lane cannot run this version: {reason}. Ask for lane auto.", field="lane", got=lane
        )
    return LaneChoice(lane, "asked for by the caller")


def shard_size(items: int, *, lane: Literal["cpu", "gpu"], preferred: int) -> int:
    """Return how many items a shard holds.

    ``preferred`` on the GPU lane; at most 25 on the CPU lane, whose function has minutes only; more where the job would
    otherwise have more shards than its end can read in one go.
    """
    wanted = min(preferred, CPU_SHARD_ITEMS) if lane == "cpu" else preferred
    return max(wanted, -(-items // MAX_SHARDS))
