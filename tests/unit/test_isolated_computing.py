"""What an input does to the process that works on it is told, and is done to a child process only."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from builders import World, contract, picture, tell_shade
from lambent.adapters.isolated_interpreter import IsolatedLoader
from lambent.adapters.litert import PLATFORM, LiteInterpreterLoader
from lambent.adapters.sacrificial_child import ForkedComputing, ForkedRehearsal
from lambent.contracts.tensor_frames import decode_arrays, encode_arrays
from lambent.errors import LambentError, ModelLoadFailed, ProcessingCrashed, TensorShapeMismatch, Unavailable
from lambent.services.isolated_models import IsolatedModels
from lambent.services.load_model import ModelCache
from lambent_toolkit.fakes import FakeInterpreterLoader
from patience import PATIENCE_S

MIB = 1 << 20
SHADE = Path(__file__).parents[1] / "fixtures" / "shade.float32.tflite"
COMPUTING = ForkedComputing(limit_s=lambda: PATIENCE_S, memory_bytes=None)


def signal_myself(number: signal.Signals) -> Callable[[], bytes]:
    def act() -> bytes:
        faulthandler.disable()  # which would tell pytest's log of a crash that is meant
        os.kill(os.getpid(), number)
        return b""

    return act


def leave(status: int) -> Callable[[], bytes]:
    return lambda: os._exit(status)


def exit_politely() -> bytes:
    sys.exit(0)


def raise_surprise() -> bytes:
    raise KeyError("surprise")


def hang() -> bytes:
    Event().wait()
    return b""


def take_memory() -> bytes:
    return np.ones(512 * MIB, dtype=np.uint8)[:1].tobytes()


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def open_files() -> set[str]:
    return {file.name for file in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (signal_myself(signal.SIGSEGV), "died of SIGSEGV"),
        (signal_myself(signal.SIGFPE), "died of SIGFPE"),
        (signal_myself(signal.SIGKILL), "died of SIGKILL"),
        (leave(0), "ended with status 0"),
        (leave(3), "ended with status 3"),
        (exit_politely, "ended with SystemExit"),
        (raise_surprise, "ended with KeyError"),
    ],
)
def test_every_way_to_end_a_process_is_told_as_a_final_error_of_the_input(act: Callable[[], bytes], told: str) -> None:
    with pytest.raises(ProcessingCrashed) as crash:
        COMPUTING.run(act)

    assert told in crash.value.detail
    assert crash.value.got == told
    assert crash.value.is_final
    assert not crash.value.is_retryable


def append_then(tries: Path, act: Callable[[], bytes], *, times: int) -> Callable[[], bytes]:
    """Return what writes down that it was begun, and acts the first ``times``; then it answers."""

    def begin() -> bytes:
        with tries.open("a") as file:
            file.write("x")
        return act() if len(tries.read_text()) <= times else b"answered"

    return begin


def test_a_child_that_somebody_kills_condemns_no_input_before_a_second_one_is_killed_too(tmp_path: Path) -> None:
    kill = signal_myself(signal.SIGKILL)

    assert COMPUTING.run(append_then(tmp_path / "once", kill, times=1)) == b"answered"
    ForkedRehearsal(timeout_s=PATIENCE_S, memory_bytes=None).run(append_then(tmp_path / "loading", kill, times=1))
    with pytest.raises(ProcessingCrashed, match="SIGKILL"):
        COMPUTING.run(append_then(tmp_path / "always", kill, times=9))

    assert [(tmp_path / name).read_text() for name in ("once", "loading", "always")] == ["xx"] * 3


def test_a_child_that_dies_by_itself_is_followed_by_no_other(tmp_path: Path) -> None:
    with pytest.raises(ProcessingCrashed, match="SIGSEGV"):
        COMPUTING.run(append_then(tmp_path / "tries", signal_myself(signal.SIGSEGV), times=1))

    assert (tmp_path / "tries").read_text() == "x"


def test_what_never_ends_is_ended_at_the_limit_that_holds_now() -> None:
    limits_s, before = iter([0.2, PATIENCE_S]), children()
    computing = ForkedComputing(limit_s=lambda: next(limits_s), memory_bytes=None)

    with pytest.raises(ProcessingCrashed, match=r"took more than 0\.2 s"):
        computing.run(hang)

    assert computing.run(lambda: b"done") == b"done"
    assert children() <= before


def test_more_memory_than_the_function_has_ends_the_child_only() -> None:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def computing(room: int) -> ForkedComputing:
        return ForkedComputing(limit_s=lambda: PATIENCE_S, memory_bytes=resident + room)

    with pytest.raises(ProcessingCrashed, match="ran out of memory"):
        computing(256 * MIB).run(take_memory)

    assert computing(1024 * MIB).run(take_memory) == b"\x01"


@pytest.mark.parametrize("error", [TensorShapeMismatch("Too long.", field="x", limit=3, got=4), Unavailable("Later.")])
def test_an_error_of_ours_comes_back_as_it_was_raised(error: LambentError) -> None:
    def refuse() -> bytes:
        raise error

    with pytest.raises(type(error)) as refusal:
        COMPUTING.run(refuse)

    assert refusal.value.to_dict() == error.to_dict()


@pytest.mark.parametrize("size", [0, 1, 65_536, 3 * MIB + 1])
def test_what_is_returned_comes_back_whole_and_nothing_is_left_over(size: int) -> None:
    body, before = os.urandom(size), children()
    gc.collect()  # what earlier tests left open is not to be closed, and its number used again, within this one
    files = open_files()

    assert COMPUTING.run(lambda: body) == body

    assert children() <= before
    assert open_files() <= files


def test_children_of_several_threads_at_once_are_each_told_by_their_own_end() -> None:
    # A child that held the pipe of another one open would make its death pass for a hang, or keep it waiting.
    acts = [hang, signal_myself(signal.SIGSEGV), leave(0), lambda: b"fine"] * 5
    hanging = ForkedComputing(limit_s=lambda: 1.0, memory_bytes=None)

    def told(act: Callable[[], bytes]) -> str:
        try:
            return (hanging if act is hang else COMPUTING).run(act).decode()
        except ProcessingCrashed as crash:
            return crash.got

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(told, acts))

    assert outcomes == ["took more than 1 s", "died of SIGSEGV", "ended with status 0", "fine"] * 5


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_arrays_come_back_bit_for_bit_and_may_be_written_to(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(5).integers(0, 2, shape).astype(dtype)

    (name, back), *_ = decode_arrays(encode_arrays({"a": array, "turned": array.T})).items()

    assert (name, back.dtype, back.shape) == ("a", array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def isolated(world: World) -> IsolatedModels:
    loader = IsolatedLoader(world.loader, COMPUTING, platform=PLATFORM)
    cache = ModelCache(world.files, loader, world.clock, capacity_bytes=1_000_000)
    return IsolatedModels(cache, COMPUTING, make_room=lambda: None)


def test_an_isolated_file_answers_as_one_that_is_loaded_here_and_imports_nothing(tmp_path: Path) -> None:
    inputs = {"image": np.random.default_rng(4).random((3, 2, 2, 1), dtype=np.float32)}
    copy, modules = tmp_path / "model.tflite", set(sys.modules)
    copy.write_bytes(SHADE.read_bytes())
    interpreter = IsolatedLoader(LiteInterpreterLoader(), COMPUTING, platform=PLATFORM).load(copy, contract())
    copy.unlink()

    def run() -> bytes:
        answer = LiteInterpreterLoader().load(SHADE, contract()).run(inputs)["scores"].tobytes()
        return b"imported" if set(sys.modules) != modules else answer

    first, second = (interpreter.run(inputs)["scores"] for _ in range(2))

    assert first.tobytes() == second.tobytes() == COMPUTING.run(run)
    assert interpreter.platform == PLATFORM


def test_a_version_with_isolated_parts_answers_as_ever_and_a_crash_of_one_item_costs_nothing_but_that_item() -> None:
    world, parent = World(), os.getpid()

    def answer(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if inputs["image"].mean() > 0.9:
            assert os.getpid() != parent
            leave(0)()
        return tell_shade(inputs)

    ref = world.publish()
    world.loader = FakeInterpreterLoader(answer)
    model = isolated(world).get(ref)
    good, bad = (model.preprocessor.collate([model.preprocessor.prepare(picture(level))]) for level in (10, 255))

    with pytest.raises(ProcessingCrashed, match="ended with status 0"):
        model.interpreter.run(bad)

    np.testing.assert_array_equal(model.interpreter.run(good)["scores"], tell_shade(good)["scores"])


def test_a_version_that_crashes_on_its_own_vectors_is_refused_and_no_caller_is_blamed() -> None:
    world = World()
    ref = world.publish()
    world.loader = FakeInterpreterLoader(lambda _: leave(0)())

    with pytest.raises(ModelLoadFailed, match="ended with status 0"):
        isolated(world).get(ref)

    assert [(refused, error.code) for refused, error in world.audit.refusals] == [(ref, "model_load_failed")]
