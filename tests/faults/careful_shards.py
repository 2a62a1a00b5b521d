"""A shard as each lane runs it where items may end processes; called by `killed_program.py` in a process of its own.

A GPU-lane attempt is a container: the worker's supervisor, and the shard in its child. A CPU-lane attempt is an
invocation of InferFunction: its message's first receive, or a later one, which keeps items in processes of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from killed_program import BATCH_SIZE, CHECKPOINT_ITEMS, ArmingModels, CountingLoader, die
from poison import Poisoned, is_poisonous
from stored_world import open_world

from builders import TENANT, World
from lambent.adapters.isolated_interpreter import IsolatedLoader
from lambent.adapters.litert import PLATFORM
from lambent.adapters.sacrificial_child import ForkedComputing
from lambent.adapters.shared_marks import SharedMarks
from lambent.domain.suspicion import Suspicion
from lambent.errors import LambentError
from lambent.runtime.stall_watch import STALL_WATCH
from lambent.runtime.worker_supervisor import Leave, WorkerSupervisor
from lambent.services.isolated_models import IsolatedModels
from lambent.services.run_shard import ShardService
from lambent.services.shard_attempt import CheckpointRule
from lambent.services.shard_care import Precaution
from lambent.services.watched_models import WatchedModels
from patience import PATIENCE_S

EXIT_TEMPORARY = 75
_STALL_S = 1e6
# Of a child that will hang: nobody else is given so little.
_HANG_S = 1.0


class _PoisonedModels:
    """A cache whose versions' preprocessing may be poisoned, too."""

    def __init__(self, models: Any, poisoned: Poisoned) -> None:
        self._models, self._poisoned = models, poisoned

    def get(self, ref: Any) -> Any:
        model = self._models.get(ref)
        return replace(model, preprocessor=self._poisoned.decoder(model.preprocessor))


class _LimitingLoader:
    """Isolated interpreters that wait for a hanging child only as long as nobody waits for another."""

    def __init__(self, poisoned: Poisoned) -> None:
        self.file = poisoned.file
        self._limit_s = PATIENCE_S
        computing = ForkedComputing(limit_s=lambda: self._limit_s, memory_bytes=None)
        self._loader = IsolatedLoader(poisoned, computing, platform=PLATFORM)

    def load(self, *args: Any) -> Any:
        interpreter = self._loader.load(*args)
        run = interpreter.run

        def limited(inputs: Any) -> Any:
            self._limit_s = _HANG_S if is_poisonous(inputs["image"]) else PATIENCE_S
            return run(inputs)

        interpreter.run = limited  # type: ignore[method-assign]
        return interpreter


class _LimitingWatch:
    """The watch of a function's own process, which waits for what hangs only as long as nobody waits for another."""

    def __init__(self, models: Any) -> None:
        self._limit_s = PATIENCE_S
        self._models = WatchedModels(models, self, limit_s=PATIENCE_S)

    def within(self, _: float) -> AbstractContextManager[None]:
        return STALL_WATCH.within(self._limit_s)

    def get(self, ref: Any) -> Any:
        model = self._models.get(ref)
        run = model.interpreter.run

        def limited(inputs: Any) -> Any:
            self._limit_s = _HANG_S if is_poisonous(inputs["image"]) else PATIENCE_S
            return run(inputs)

        model.interpreter.run = limited  # type: ignore[method-assign]
        return model


def run_container(task: dict[str, Any]) -> int:
    """Run one attempt of a GPU-lane shard; return the container's exit status."""
    note = Path(task["log"]).with_suffix(".endless")
    note.unlink(missing_ok=True)  # of an item before, whose process nobody told of
    leapt_s = 0.0

    def now_s() -> float:
        # While an endless item is at work, every look at the clock finds that it has taken longer than any limit.
        nonlocal leapt_s
        leapt_s += 2 * _STALL_S if note.exists() else 0.0
        return monotonic() + leapt_s

    def say(event: str, **fields: object) -> None:
        note.unlink(missing_ok=True)

    def compute(marks: SharedMarks, known: Suspicion | None, leave: Leave) -> int:
        return _compute(task, note, Precaution(marks, known, is_kept=task["attempt"] > 1))

    return WorkerSupervisor(compute, exit_temporary=EXIT_TEMPORARY, stall_s=_STALL_S, say=say, now_s=now_s).run()


def _compute(task: dict[str, Any], note: Path, precaution: Precaution) -> int:
    world = open_world()
    poisoned = Poisoned(world.loader, task["kind"], task["where"], note)
    counted = CountingLoader(poisoned, task["log"], task["die"] or {})
    world.loader = counted  # type: ignore[assignment]
    models = _PoisonedModels(ArmingModels(world.models(), counted), poisoned)
    try:
        _service(world, models, task).run(TENANT, task["job"], task["shard"], precaution=precaution)
    except LambentError:
        return EXIT_TEMPORARY
    return 0


def run_invocation(task: dict[str, Any]) -> int:
    """Run one receive of a CPU-lane shard; return the process's exit status."""
    os.dup2(2, 1)  # a function's log is its stdout, which here is the answer
    note = Path(task["log"]).with_suffix(".endless")
    world = open_world()
    poisoned = Poisoned(world.loader, task["kind"], task["where"], note)
    if task["attempt"] == 1:
        counted = CountingLoader(poisoned, task["log"], task["die"] or {})
        world.loader = counted  # type: ignore[assignment]
        models: Any = _LimitingWatch(_PoisonedModels(ArmingModels(world.models(), counted), poisoned))
        with STALL_WATCH.invocation(2 * PATIENCE_S, lambda: None):
            _service(world, models, task).run(TENANT, task["job"], task["shard"])
        return 0
    decoding = ForkedComputing(limit_s=lambda: PATIENCE_S, memory_bytes=None)
    world.loader = _LimitingLoader(poisoned)  # type: ignore[assignment]
    models = IsolatedModels(_PoisonedModels(world.models(), poisoned), decoding, make_room=lambda: None)  # type: ignore[arg-type]
    _service(world, models, task, tries_alone=True).run(
        TENANT, task["job"], task["shard"], precaution=Precaution(is_kept=True)
    )
    return 0


def _service(world: World, models: Any, task: dict[str, Any], *, tries_alone: bool = False) -> ShardService:
    return ShardService(
        data=world.data,
        jobs=world.jobs,
        models=models,
        clock=world.clock,
        batch_size=BATCH_SIZE,
        rule=CheckpointRule(items=CHECKPOINT_ITEMS),
        on_event=_dying_at(task["die"] or {}),
        tries_alone=tries_alone,
    )


def _dying_at(ends: dict[str, Any]) -> Callable[[str], None]:
    left = ends.get("nth", 0)

    def on_event(name: str) -> None:
        nonlocal left
        if name == ends.get("event"):
            left -= 1
            if left == 0:
                die(ends.get("by", "SIGKILL"))

    return on_event
