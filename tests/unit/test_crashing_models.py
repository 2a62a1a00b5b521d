"""Files that the real interpreter does not survive are refused, and the process that was asked for them goes on."""

import faulthandler
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import World, contract, golden_vectors
from lambent.adapters.litert import LiteInterpreterLoader
from lambent.adapters.sacrificial_child import ForkedRehearsal
from lambent.domain.model import ModelRef
from lambent.errors import ModelLoadFailed
from lambent.services.publish import publish_version
from patience import PATIENCE_S

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHADE = FIXTURES / "shade.float32.tflite"
# file, what is told, and the time that it gets
CRASHING = [
    ("dies_when_loaded", "died of SIGSEGV", PATIENCE_S),
    ("dies_when_called", "died of SIGSEGV", PATIENCE_S),
    ("endless", "within 2 s", 2.0),
]


def this_process_s_children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.fixture
def _quiet_crashes() -> Iterator[None]:
    """Keep the child's end out of pytest's report, which would tell it as this process's own."""
    faulthandler.disable()
    yield
    faulthandler.enable()


def publish(world: World, file: Path) -> ModelRef:
    """Publish a file with the golden vectors of the good one."""
    declared = contract()
    golden = golden_vectors(declared, LiteInterpreterLoader().load(SHADE, declared).run)
    files = {"model.tflite": file.read_bytes(), "golden.npz": golden.to_npz()}
    return publish_version(files, declared, store=world.store, registry=world.registry, clock=world.clock).ref


@pytest.mark.usefixtures("_quiet_crashes")
@pytest.mark.parametrize(("name", "told", "timeout_s"), CRASHING)
def test_a_file_that_ends_or_stops_the_interpreter_is_refused_and_the_next_version_is_served(
    name: str, told: str, timeout_s: float
) -> None:
    world = World(rehearsal=ForkedRehearsal(timeout_s=timeout_s, memory_bytes=None))
    world.loader = LiteInterpreterLoader()
    bad, good = publish(world, FIXTURES / "crashing" / f"{name}.tflite"), publish(world, SHADE)
    models, children = world.models(), this_process_s_children()

    with pytest.raises(ModelLoadFailed, match=told):
        models.get(bad)

    assert [(ref, error.code) for ref, error in world.audit.refusals] == [(bad, "model_load_failed")]
    models._rehearsal = ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=None)
    assert models.get(good).ref == good
    assert this_process_s_children() == children
