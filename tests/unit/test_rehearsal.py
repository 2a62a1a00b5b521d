"""A model that the interpreter does not survive ends a child process, and nothing else."""

import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from builders import World, contract, golden_vectors, tell_shade
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.adapters.sacrificial_child import ForkedRehearsal
from lambent.errors import ModelContractMismatch, ModelLoadFailed
from lambent.services.golden import check_outputs
from lambent_toolkit.fakes import FakeInterpreter, FakeInterpreterLoader
from patience import PATIENCE_S

SHADE = Path(__file__).parents[1] / "fixtures" / "shade.float32.tflite"
MIB = 1 << 20
REHEARSAL = ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=None)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def open_files() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


def kill_myself() -> None:
    faulthandler.disable()  # which would tell pytest's log of a crash that is meant
    os.kill(os.getpid(), signal.SIGSEGV)


def abort() -> None:
    faulthandler.disable()
    os.abort()


def leave() -> None:
    os._exit(3)


def hang() -> None:
    Event().wait()


def raise_surprise() -> None:
    raise KeyError("surprise")


def take_memory() -> None:
    np.ones(512 * MIB, dtype=np.uint8)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (kill_myself, "died of SIGSEGV"),
        (abort, "died of SIGABRT"),
        (leave, "status 3"),
        (raise_surprise, "KeyError"),
    ],
)
def test_what_ends_a_process_is_told_and_ends_the_child_only(act: Callable[[], None], told: str) -> None:
    with pytest.raises(ModelLoadFailed, match=told):
        REHEARSAL.run(act)


def test_what_hangs_is_ended() -> None:
    before = children()

    with pytest.raises(ModelLoadFailed, match=r"within 0\.2 s"):
        ForkedRehearsal(timeout_s=0.2, memory_bytes=None).run(hang)

    assert children() <= before


def test_what_takes_more_memory_than_the_function_has_is_ended() -> None:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    with pytest.raises(ModelLoadFailed, match="memory"):
        ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=resident + 256 * MIB).run(take_memory)
    ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=resident + 1024 * MIB).run(take_memory)


def test_a_refusal_comes_back_as_it_was_raised() -> None:
    error = ModelContractMismatch("Not the golden ones.", field="golden.outputs.scores", limit=0.01, got=0.5)

    def refuse() -> None:
        raise error

    with pytest.raises(ModelContractMismatch) as refusal:
        REHEARSAL.run(refuse)

    assert refusal.value.to_dict() == error.to_dict()


def test_nothing_is_left_of_a_rehearsal() -> None:
    processes = children()
    gc.collect()  # what earlier tests left open is not to be closed, and its number used again, within this one
    before = open_files()

    REHEARSAL.run(lambda: None)
    with pytest.raises(ModelLoadFailed):
        REHEARSAL.run(abort)

    assert open_files() <= before
    assert children() <= processes


@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_child_loads_a_model_while_its_parent_has_one_and_imports_nothing(threads: int) -> None:
    # Importing may wait for a lock that a thread of the parent holds, and the child has no such thread.
    loader = LiteInterpreterLoader(threads=threads)
    golden = golden_vectors(contract(), tell_shade)
    mine = loader.load(SHADE, contract())
    check_outputs(golden, contract(), mine)
    modules = set(sys.modules)

    def load() -> None:
        check_outputs(golden, contract(), loader.load(SHADE, contract()))
        if set(sys.modules) != modules:
            raise ImportError

    REHEARSAL.run(load)

    check_outputs(golden, contract(), mine)


def crash_in_children(parent: int) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if os.getpid() != parent:
            abort()
        return tell_shade(inputs)

    return answer


def test_a_version_that_crashes_is_refused_remembered_and_told_while_another_is_served() -> None:
    world = World(rehearsal=REHEARSAL)
    good = world.publish()
    models = world.models()
    models.get(good)
    world.loader = FakeInterpreterLoader(crash_in_children(os.getpid()))
    bad = world.publish()
    models._loader = world.loader

    for _ in range(2):
        with pytest.raises(ModelLoadFailed, match="SIGABRT"):
            models.get(bad)

    assert world.loader.loads == 0  # never in this process
    assert [(ref, error.code) for ref, error in world.audit.refusals] == [(bad, "model_load_failed")]
    assert models.get(good).ref == good


def test_without_a_crash_the_version_is_loaded_here_as_ever() -> None:
    world = World(rehearsal=REHEARSAL)
    ref = world.publish()

    served = world.models().get(ref)

    assert isinstance(served.interpreter, FakeInterpreter)
    assert world.loader.loads == 1
