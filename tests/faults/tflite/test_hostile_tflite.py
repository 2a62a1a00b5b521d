"""A .tflite file that was made to do harm is refused by what it says, before any interpreter sees it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from chance import SEED
from hostile_files import HOSTILE, OPTIONS, detector, packed, tree_of

from builders import contract
from lambent.adapters import litert
from lambent.adapters.detection_options import read_detection_options
from lambent.adapters.flat_buffer import Malformed
from lambent.adapters.litert import LiteInterpreterLoader, open_signature
from lambent.adapters.tflite_limits import check_tflite
from lambent.adapters.tflite_schema import OPTION_2_KINDS, OPTION_KINDS
from lambent.errors import BrokenArtifact, LambentError, ModelOperatorUnsupported
from lambent_toolkit.modelkit.errors import ServingRefused
from lambent_toolkit.modelkit.importing import signature
from lambent_toolkit.modelkit.importing.signature import tflite_signature

TESTS = Path(__file__).parents[2]
FLEX = TESTS / "fixtures/foreign/flex.tflite"
HONEST = sorted(set(TESTS.rglob("*.tflite")) - {FLEX})
CHANGES = 3_000
# Calls of functions, which a second is far more than enough for.
MOST_CALLS = 2_000_000


@contextmanager
def counting_calls() -> Iterator[list[int]]:
    """Count calls of functions, of Python's own and of C."""
    count, before = [0], sys.getprofile()

    def called(_frame: Any, event: str, _what: Any) -> None:
        count[0] += event in {"call", "c_call"}

    sys.setprofile(called)
    try:
        yield count
    finally:
        sys.setprofile(before)


@pytest.fixture
def no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a hostile file has reached an interpreter")

    monkeypatch.setattr(litert, "_Runtime", refuse)
    monkeypatch.setattr(signature, "run_program", refuse)


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.usefixtures("no_interpreter")
def test_a_hostile_file_is_refused_with_a_code_at_every_way_in_and_no_interpreter_sees_it(
    tmp_path: Path, what: str
) -> None:
    body, code = HOSTILE[what]
    file = tmp_path / "model.tflite"
    file.write_bytes(body)

    with pytest.raises(BrokenArtifact) as serving:
        LiteInterpreterLoader().load(file, contract())
    with pytest.raises(BrokenArtifact) as signed:
        open_signature(file)
    with pytest.raises(ServingRefused) as imported:
        tflite_signature(file)

    assert [serving.value.code, signed.value.code, imported.value.code] == [code] * 3
    assert len(serving.value.detail) < 500
    assert str(tmp_path) not in serving.value.detail


@pytest.mark.parametrize("what", HOSTILE)
def test_looking_at_a_hostile_file_costs_little_whatever_it_lists(what: str) -> None:
    body, _ = HOSTILE[what]

    with counting_calls() as calls, pytest.raises(BrokenArtifact):
        check_tflite(body)

    assert calls[0] < MOST_CALLS


@pytest.mark.parametrize("file", HONEST, ids=lambda file: file.relative_to(TESTS).as_posix())
def test_honest_files_pass(file: Path) -> None:
    check_tflite(file.read_bytes())


def test_an_operator_of_tensorflow_is_refused_by_its_name() -> None:
    with pytest.raises(ModelOperatorUnsupported, match="FlexStringLength"):
        check_tflite(FLEX.read_bytes())


def test_a_changed_file_is_refused_with_a_code_or_passes_and_nothing_else_comes_out() -> None:
    print(f"replay: LAMBENT_FAULTS_SEED={SEED}")
    chance, seeds = random.Random(SEED), [file.read_bytes() for file in HONEST] + [detector()]

    for _ in range(CHANGES):
        body = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 4)):
            width = chance.choice((1, 2, 4))
            at = chance.randrange(len(body) - width)
            body[at : at + width] = chance.choice((b"\xff" * width, b"\0" * width, chance.randbytes(width)))
        try:
            check_tflite(bytes(body))
        except LambentError as error:
            assert error.code in {"model_format_refused", "model_operator_unsupported"}  # noqa: PT017 - or nothing


def test_a_file_cut_short_at_any_place_is_refused_or_passes_and_nothing_else_comes_out() -> None:
    whole = detector()

    refused = [_is_refused(whole[:end]) for end in range(len(whole))]

    assert sum(refused) > len(whole) - 16  # of the last bytes some are padding


def _is_refused(body: bytes) -> bool:
    try:
        check_tflite(body)
    except BrokenArtifact:
        return True
    return False


def test_the_detections_of_tflite_itself_are_served(tmp_path: Path) -> None:
    file = tmp_path / "detector.tflite"
    file.write_bytes(detector())
    boxes, scores = np.zeros((1, 6, 4), np.float32), np.zeros((1, 6, 4), np.float32)
    scores[0, 2, 1] = 0.9

    runtime = litert._open(file, threads=1)
    for number, array in enumerate((boxes, scores)):
        runtime.set_tensor(runtime.get_input_details()[number]["index"], array)
    runtime.invoke()

    found = [runtime.get_tensor(each["index"]) for each in runtime.get_output_details()]
    assert found[3].tolist() == [1.0]
    assert found[2][0, 0] == pytest.approx(0.9)


def test_options_of_a_detection_that_are_cut_or_changed_are_refused_or_within_bounds() -> None:
    from flatbuffers import flexbuffers

    print(f"replay: LAMBENT_FAULTS_SEED={SEED}")
    chance, honest = random.Random(SEED), flexbuffers.Dumps(OPTIONS)

    for _ in range(CHANGES):
        body = bytearray(honest)
        body[chance.randrange(len(body))] = chance.randrange(256)
        try:
            values = read_detection_options(bytes(body[: chance.randrange(len(body) // 2, len(body) + 1)]))
        except Malformed:
            continue
        assert 1 <= values["max_classes_per_detection"] <= values["num_classes"] <= 100_000


def test_the_kinds_of_fields_are_those_of_the_runtimes_own_schema() -> None:
    assert _kinds_of("BuiltinOptions") == {number: kinds.strip(".") for number, kinds in OPTION_KINDS.items()}
    assert _kinds_of("BuiltinOptions2") == {number: kinds.strip(".") for number, kinds in OPTION_2_KINDS.items()}


class _Recorder:
    """Stands in for the builder of flat buffers, and remembers which field was written in what width."""

    def __init__(self) -> None:
        self.fields: dict[int, str] = {}
        self.width = 0

    def __getattr__(self, name: str) -> Any:
        widths = {"8": "1", "l": "1", "6": "2", "2": "4", "4": "8"}

        def write(slot: int, *_values: Any) -> None:
            kind = "offset" if name.startswith("PrependUOffset") else widths[name.removesuffix("Slot")[-1]]
            self.fields[slot] = kind

        return write

    def StartVector(self, width: int, *_rest: Any) -> None:  # noqa: N802 - as it is called
        self.width = width


def _kinds_of(union: str) -> dict[int, str]:
    """Return the kinds of all options of a union as `tflite_schema` writes them, by what the runtime's writers do."""
    numbers = {name: number for name, number in vars(getattr(schema, union)).items() if isinstance(number, int)}
    return {number: _kinds(name) for name, number in numbers.items() if number}


def _kinds(name: str) -> str:
    kinds: dict[int, str] = {}
    for writer in [each for each in vars(schema) if each.startswith(f"{name}Add")]:
        recorder = _Recorder()
        getattr(schema, writer)(recorder, 1)
        ((slot, kind),) = recorder.fields.items()
        if kind == "offset":
            start = getattr(schema, f"{name}Start{writer.removeprefix(f'{name}Add')}Vector", None)
            if start is not None:
                start(recorder, 1)
            kind = {0: "s", 1: "a", 4: "c", 8: "d"}[recorder.width]
        kinds[slot] = kind
    return "".join(kinds.get(slot, "-") for slot in range(max(kinds, default=-1) + 1))


def test_the_seed_is_honest_as_the_packer_leaves_it() -> None:
    check_tflite(packed(tree_of()))
