"""Models of the kinds that people bring, through every verb: each answers as Keras does, or is refused with the reason.

All in one process, so that TensorFlow starts once. The largest differences are printed with ``pytest -s``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from architectures import ABC, Architecture, architectures
from fitting_data import fitting_data, write_tokenizer
from structures import structures
from typer.testing import CliRunner

from lambent.contracts.model import ModelContract
from lambent.domain.model import TOKENIZER_FILE
from lambent.services.golden import GoldenVectors
from lambent.services.version_files import decode_contract
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit import evaluation_step, float_model, quantization_step, serving_check, serving_program
from lambent_toolkit.modelkit.errors import ConversionFailed, StepMissing
from lambent_toolkit.modelkit.float_model import KerasFloat
from lambent_toolkit.modelkit.quantization_report import QuantizationReport
from lambent_toolkit.modelkit.report import decode_report
from lambent_toolkit.modelkit.selective_quantization import SelectiveQuantizer
from lambent_toolkit.modelkit.sensitivity import run_file
from lambent_toolkit.modelkit.sensitivity_report import SensitivityReport
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.training import from_keras_file
from lambent_toolkit.modelkit.variant_files import converter_of
from lambent_toolkit.modelkit.variants import VARIANTS

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    # Keras says so of masks that a layer does not pass on, which is what some kinds are about.
    pytest.mark.filterwarnings("ignore:Layer '.*was passed an input with a mask:UserWarning"),
]
SEED = 5
FEWEST = 40
# What no message may hold: the converter's own language, and where files lay for a moment.
FOREIGN_WORDS = (
    "loc(", "<unknown>", "error:", "tf.", "/tmp", "Traceback", "keras.src", "lambent_toolkit.", "serving_default",
)  # fmt: skip
KINDS = {**architectures(), **structures()}
# Of accuracy, of one number, of outputs that nothing is known of.
WHOLE = ("convolution", "normalization_and_regression", "detector_of_two_outputs")


class Desk:
    """A folder in which a model is brought through the verbs, as its maker would type them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.code = 0  # of `contract init`

    def lambent(self, *arguments: str) -> int:
        """Run a command there; return its exit code."""
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(app, arguments)
        # Anything else is a bug, and shows itself.
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        self.told.append(done.output)
        assert not [word for word in FOREIGN_WORDS if word in done.output], done.output
        return done.exit_code

    @property
    def contract(self) -> ModelContract:
        return decode_contract((self.folder / "contract.json").read_bytes())

    def read(self, name: str) -> bytes:
        return (self.folder / "mine" / name).read_bytes()


def brought(kind: Architecture, name: str, folder: Path) -> Desk:
    """Build a model, save it as its maker would, and import it by the contract that is drafted for it."""
    desk = Desk(folder)
    with quiet():
        import keras

        keras.utils.set_random_seed(SEED)
        model = kind.build()
        model.save(folder / "theirs.keras")
    guessed = ABC if [tuple(each.shape) for each in model.outputs] == [(None, 3)] else ()
    init = guessed if kind.init is None else kind.init
    own = ()
    if "--tokenizer" in init:
        write_tokenizer(folder / TOKENIZER_FILE)
        own = ("--tokenizer", TOKENIZER_FILE)
    desk.code = desk.lambent("contract", "init", "theirs.keras", "--name", name.replace("_", "-"), *init)
    # What is drafted is what is imported.
    if desk.code == 0:
        assert desk.lambent("import", "theirs.keras", "--contract", "contract.json", "--out", "mine", *own) == 0, (
            desk.told
        )
    return desk


def imported(name: str, folder: Path) -> tuple[ModelContract, bytes, GoldenVectors]:
    desk = brought(KINDS[name], name, folder)
    return desk.contract, desk.read("model.keras"), GoldenVectors.from_npz(desk.read("golden.keras.npz"))


def layers_of(desk: Desk) -> set[str]:
    pending, found = [from_keras_file(desk.read("model.keras"))], set()
    while pending:
        layer = pending.pop()
        found.add(layer.name)
        pending += getattr(layer, "layers", [])
    return found


def difference(file: bytes, contract: ModelContract, golden: GoldenVectors) -> float:
    answers = run_file(file, contract, golden.tensors)
    return max(float(np.max(np.abs(answers[name].astype(np.float64) - own))) for name, own in golden.outputs.items())


@pytest.fixture(autouse=True)
def _brief(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes long and is the same for all kinds, but for one kind of each figure.

    Pages are not drawn, latencies are those of a few calls, and the program of the serving interpreter runs here, with
    the same release of LiteRT.
    """
    if any(f"[{name}]" in request.node.name for name in WHOLE):
        return
    monkeypatch.setattr(quantization_step, "quantization_page", lambda *_, **__: "")
    monkeypatch.setattr(evaluation_step, "report_page", lambda *_, **__: "")
    monkeypatch.setattr(serving_check, "run_program", run_here)
    monkeypatch.setattr(serving_program, "CALLS_A_ROUND", 2)
    for module in (serving_program, float_model):
        monkeypatch.setattr(module, "_RATED_S", 0.01)


def run_here(arguments: Sequence[str], **_: object) -> None:
    folder, *steps = arguments
    serving_program.main(Path(folder), steps)


def test_there_are_forty_kinds() -> None:
    assert len(KINDS) >= FEWEST


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.refusal is None])
def test_a_model_goes_through_every_verb_and_answers_as_it_does_in_keras(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]

    desk = brought(kind, name, tmp_path)
    data = fitting_data(desk.contract, tmp_path)
    codes = [
        desk.lambent("quantize", "mine", "--data", data, "--target", "size"),
        desk.lambent("sensitivity", "mine", "--data", data),
        desk.lambent("evaluate", "mine", "--data", data),
    ]

    check_quantized(kind, desk)
    check_sensitivity(kind, desk, code=codes[1])
    check_evaluated(kind, desk)
    assert (codes[0], codes[2]) == (0, 0), desk.told


def check_quantized(kind: Architecture, desk: Desk) -> None:
    report = msgspec.json.decode(desk.read("quantization.json"), type=QuantizationReport)
    golden = GoldenVectors.from_npz(desk.read("golden.keras.npz"))
    differences = {row.variant: row.measured.output_error_max for row in report.variants if row.measured}
    print(f"{desk.contract.name}: " + ", ".join(f"{form} {most:.1e}" for form, most in differences.items()))

    assert (kind.told or "") in "; ".join(report.changes)
    assert bool(kind.told) == bool(report.changes)
    assert {form for form, most in differences.items() if most > kind.most(form)} == set()
    problems = {row.variant: row.problem or "" for row in report.variants if row.measured is None}
    assert problems.keys() == kind.unmade.keys()
    assert all(kind.unmade[form] in problem for form, problem in problems.items()), problems
    assert differences.keys() | problems.keys() == set(VARIANTS)
    # Other items than those that were calibrated with, and Keras's answers to them as import took them.
    assert difference(desk.read("variants/float32.tflite"), desk.contract, golden) <= kind.most("float32")


def check_sensitivity(kind: Architecture, desk: Desk, *, code: int) -> None:
    if "int8" in kind.unmade:
        assert (code != 0, kind.unmade["int8"] in desk.told[-2]) == (True, True), desk.told[-2]
        return
    assert code == 0, desk.told
    report = msgspec.json.decode(desk.read("sensitivity.json"), type=SensitivityReport)
    assert report.layers
    assert {step for each in report.layers for step in each.layer.split("/")} <= layers_of(desk)
    # Each layer costs something where it is alone in 8 bits, and none more than all together may.
    errors = [report.int8.output_error, *(each.alone.output_error for each in report.layers)]
    assert 0 < min(errors) <= max(errors) <= kind.most("int8"), errors


def check_evaluated(kind: Architecture, desk: Desk) -> None:
    report = decode_report(desk.read("report.json"), of=desk.contract.name)
    assert report.variants[report.published].output_error_max <= kind.most(report.published)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.refusal])
def test_a_model_without_a_tflite_form_is_refused_in_words_of_ours(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]

    desk = brought(kind, name, tmp_path)
    if kind.code != ConversionFailed.exit_code:
        assert (desk.code, kind.refusal in desk.told[0]) == (kind.code, True), desk.told
        return
    data = fitting_data(desk.contract, tmp_path)
    codes = [desk.lambent(verb, "mine", "--data", data) for verb in ("quantize", "sensitivity", "evaluate")]

    assert codes == [ConversionFailed.exit_code, ConversionFailed.exit_code, StepMissing.exit_code], desk.told
    for said in desk.told[-3:-1]:
        assert kind.refusal in said
        assert "--variant" not in said


@pytest.mark.parametrize(
    ("name", "layer"), [("mixed_float16_that_ends_in_float32", "conv2d"), ("simple_rnn", "simple_rnn")]
)
def test_a_model_made_otherwise_is_still_taken_apart_by_its_own_layers(name: str, layer: str, tmp_path: Path) -> None:
    contract, model, golden = imported(name, tmp_path)

    quantizer = SelectiveQuantizer(model, contract, golden.tensors)

    layers = [each.layer for each in quantizer.layers]
    assert any(each.startswith(layer) for each in layers)
    assert difference(quantizer.quantize(float_layers=layers), contract, golden) <= 0.02
    assert difference(quantizer.quantize(), contract, golden) <= 0.1


def test_a_length_that_the_contract_fixes_is_the_one_that_is_unrolled(tmp_path: Path) -> None:
    name = "lstm_over_any_time"
    free, model, _ = imported(name, tmp_path)
    fixed = msgspec.structs.replace(free.inputs[0], shape=(-1, 4, 3))
    contract = msgspec.structs.replace(free, inputs=(fixed,))
    rows = {fixed.name: np.random.default_rng(SEED).standard_normal((2, 4, 3)).astype(np.float32)}

    convert = converter_of(KerasFloat(model), contract)
    answers = run_file(convert("float32", None), contract, rows)

    own = from_keras_file(model)(rows[fixed.name])
    assert "memory (4 steps)" in convert.changes[0]
    np.testing.assert_allclose(answers[contract.outputs[0].name], own, atol=1e-5)
