"""Text models of free length: golden vectors that hold, and padding that decides nothing."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from trained import FOREIGN_WARNINGS
from typer.testing import CliRunner

from lambent.contracts.model import TextPreprocessing
from lambent.services.golden import GoldenVectors
from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.errors import ContractDisagrees, ServingRefused
from lambent_toolkit.modelkit.gate import check_artifact
from lambent_toolkit.modelkit.importing.bring import import_model
from lambent_toolkit.modelkit.importing.draft import draft_contract
from lambent_toolkit.modelkit.importing.drafting import draft_of
from lambent_toolkit.modelkit.importing.reading import read_model
from lambent_toolkit.modelkit.quantization_limit import Limit
from lambent_toolkit.modelkit.quantization_step import Wish
from lambent_toolkit.modelkit.tensorflow_quiet import quiet
from lambent_toolkit.modelkit.workbench import Workbench

pytestmark = [FOREIGN_WARNINGS]
CRASHING = Path(__file__).parents[1] / "fixtures" / "crashing"
WORDS = [f"w{number}" for number in range(30)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a masked and an unmasked text model, their tokenizer, and texts whose longest comes last."""
    folder = tmp_path_factory.mktemp("texts")
    with quiet():
        import keras
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import WhitespaceSplit

        keras.utils.set_random_seed(4)
        tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "?": 1, **{word: 2 + n for n, word in enumerate(WORDS)}}, "?"))
        tokenizer.pre_tokenizer = WhitespaceSplit()
        tokenizer.save(str(folder / "tokenizer.json"))
        ids = keras.Input((None,), dtype="int32", name="ids")
        mask = keras.Input((None,), dtype="int32", name="mask")
        seen = keras.layers.Embedding(len(WORDS) + 2, 4)(ids)
        weights = keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)
        masked = keras.ops.sum(seen * weights, axis=1) / keras.ops.sum(weights, axis=1)
        scores = keras.layers.Dense(2, activation="softmax", name="scores")
        keras.Model([ids, mask], scores(masked)).save(folder / "masked.keras")
        keras.Model(ids, scores(keras.layers.GlobalAveragePooling1D()(seen))).save(folder / "unmasked.keras")
        wide = keras.layers.Conv1D(4, 5, activation="relu")(seen)
        keras.Model(ids, scores(keras.layers.GlobalMaxPooling1D()(wide))).save(folder / "wide.keras")
    rng = np.random.default_rng(8)
    rows = []
    for split, count in (("train", 40), ("validation", 20), ("test", 30)):
        lengths = [*rng.integers(5, 9, count - 1).tolist(), 20]
        rows += [
            {"text": " ".join(rng.choice(WORDS, length)), "label": "ab"[number % 2], "split": split}
            for number, length in enumerate(lengths)
        ]
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def lambent(*arguments: str | Path, cwd: Path) -> None:
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == 0, (done.output, done.stderr)


def test_golden_vectors_have_the_padding_that_their_own_texts_make(desk: Path) -> None:
    init = ["--preprocessing", "text", "--tokenizer", "tokenizer.json", "--labels", "a,b", "--out", "masked.json"]
    lambent("contract", "init", "masked.keras", *init, cwd=desk)
    import_ = ["--contract", "masked.json", "--tokenizer", "tokenizer.json", "--out", "masked"]
    lambent("import", "masked.keras", *import_, cwd=desk)
    lambent("data", "add", "texts", "texts.jsonl", "--near-duplicates", "ignore", cwd=desk)
    with contextlib.chdir(desk):
        bench = Workbench(desk / "masked")
        bench.quantize(Wish("float32", Limit.parse("100pt"), measured=()), data="texts")
        bench.evaluate(data="texts")
    artifact = Artifact.read(desk / "masked")
    golden = {name: GoldenVectors.from_npz(artifact.files[name]) for name in ("golden.npz", "golden.keras.npz")}
    checks = {check.name: check for check in check_artifact(artifact)}

    assert isinstance(artifact.contract.preprocessing, TextPreprocessing)
    assert artifact.contract.preprocessing.pad_to == "longest"
    for vectors in golden.values():
        assert len(vectors.raw) == 20
        assert vectors.tensors["ids"].shape[1] == max(len(text.split()) for text in vectors.raw) < 20
    assert checks["golden"].is_passed, checks["golden"]
    np.testing.assert_allclose(
        golden["golden.npz"].outputs["scores"], golden["golden.keras.npz"].outputs["scores"], atol=1e-5
    )


@pytest.mark.parametrize(("name", "said"), [("unmasked", "padding changes by up to"), ("wide", "pad_to")])
def test_a_model_whose_answer_padding_changes_is_not_imported_with_a_free_length_and_not_drafted_so(
    desk: Path, tmp_path: Path, name: str, said: str
) -> None:
    read, tokenizer = read_model(desk / f"{name}.keras"), (desk / "tokenizer.json").read_bytes()
    draft = draft_contract(name, read.signature, preprocessing="text", labels=("a", "b"), tokenizer=tokenizer).contract
    spec = msgspec.structs.replace(draft.preprocessing, pad_to="longest")
    free = msgspec.structs.replace(draft, inputs=read.signature.inputs, preprocessing=spec)
    assets = {"tokenizer.json": tokenizer}

    with pytest.raises(ContractDisagrees, match=said) as refusal:
        import_model(desk / f"{name}.keras", free, tmp_path / "free", assets=assets)
    import_model(desk / f"{name}.keras", draft, tmp_path / "fixed", assets=assets)

    assert 'Set pad_to to "max_tokens" and the shape of the text inputs to [-1, 128]' in str(refusal.value)
    assert not (tmp_path / "free").exists()


def test_a_model_that_dies_of_short_inputs_is_drafted_imported_and_let_pass_with_the_shortest_that_lives(
    tmp_path: Path,
) -> None:
    file = CRASHING / "dies_of_short_inputs.tflite"

    drafted = draft_of(file).contract
    forgotten = msgspec.structs.replace(drafted.inputs[0], min_shape=None)
    import_model(file, msgspec.structs.replace(drafted, inputs=(forgotten,)), tmp_path / "mine")
    artifact = Artifact.read(tmp_path / "mine")
    untold = Artifact(msgspec.structs.replace(artifact.contract, inputs=(forgotten,)), None, artifact.files)

    assert drafted.inputs[0].min_shape == artifact.contract.inputs[0].min_shape == (1, 5, 3)
    assert GoldenVectors.from_npz(artifact.files["golden.npz"]).tensors["series"].shape == (8, 20, 3)
    passed = {check.name: check.is_passed for check in check_artifact(artifact)}
    assert passed["lengths"]
    assert passed["golden"]
    assert not {check.name: check for check in check_artifact(untold)}["lengths"].is_passed


def test_a_model_that_dies_of_all_lengths_is_not_drafted() -> None:
    with pytest.raises(ServingRefused, match=r"no length.*SIGSEGV") as refusal:
        draft_of(CRASHING / "dies_of_all_lengths.tflite")

    assert refusal.value.code == "model_load_failed"


def test_a_keras_model_s_shortest_text_is_found_by_keras(desk: Path, tmp_path: Path) -> None:
    read, tokenizer = read_model(desk / "wide.keras"), (desk / "tokenizer.json").read_bytes()
    draft = draft_contract("wide", read.signature, preprocessing="text", labels=("a", "b"), tokenizer=tokenizer)
    free = msgspec.structs.replace(draft.contract, inputs=read.signature.inputs)

    import_model(desk / "wide.keras", free, tmp_path / "wide", assets={"tokenizer.json": tokenizer})

    written = json.loads((tmp_path / "wide" / "contract.json").read_text())
    assert [each["min_shape"] for each in written["inputs"]] == [[1, 5]]
