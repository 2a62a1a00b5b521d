"""Inputs that are shorter than the contract says are refused at every door before the interpreter; texts are padded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from builders import World
from lambent.contracts.model import ModelContract, RawOutputs, TensorPreprocessing, TensorSpec, TextPreprocessing
from lambent.contracts.oip_metadata import metadata
from lambent.domain.call import Call, Operation
from lambent.domain.model import ModelChoice
from lambent.domain.preprocessing.padding import Padding, largest_batch
from lambent.errors import InvalidInput, TensorShapeMismatch
from lambent.services.answer_call import CallService
from lambent.services.load_model import ServedModel
from lambent.services.predict import PredictService, Timings, predict_items, run_tensors
from lambent_toolkit.fakes import FakeInterpreterLoader

SERIES = TensorSpec(name="series", datatype="FP32", shape=(-1, -1, 2), min_shape=(1, 5, 2))
LEVELS = TensorSpec(name="level", datatype="FP32", shape=(-1, 1))
FIELDS = {
    "name": "series",
    "inputs": (SERIES, LEVELS),
    "outputs": (TensorSpec(name="most", datatype="FP32", shape=(-1, 2)),),
    "preprocessing": TensorPreprocessing(),
    "postprocessing": RawOutputs(),
}
TOKENIZER = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "good": 4, "day": 5}, unk_token="[UNK]"))
TOKENIZER.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
TOKENIZER_FILE = TOKENIZER.to_str().encode()
FEWEST = 5


def windows_of_five(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    assert min(array.shape[1] for name, array in inputs.items() if name != "level") >= FEWEST, "the process is dead"
    looked_at = inputs["series"].max(axis=1) if "series" in inputs else inputs["ids"][:, :2]
    return {"most": looked_at.astype(np.float32)}


def in_json(rows: np.ndarray) -> Call:
    series = {"name": "series", "datatype": "FP32", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    level = {"name": "level", "datatype": "FP32", "shape": [len(rows), 1], "data": [0] * len(rows)}
    return call(Operation.OIP_INFER, json.dumps({"inputs": [level, series]}).encode())


def in_binary(rows: np.ndarray) -> Call:
    series = {"name": "series", "datatype": "FP32", "shape": list(rows.shape)}
    series["parameters"] = {"binary_data_size": rows.nbytes}
    level = {"name": "level", "datatype": "FP32", "shape": [len(rows), 1], "data": [0] * len(rows)}
    header = json.dumps({"inputs": [series, level]}).encode()
    return call(Operation.OIP_INFER, header + rows.tobytes(), {"inference-header-content-length": str(len(header))})


def in_columns(rows: np.ndarray) -> Call:
    inputs = {"series": rows.tolist(), "level": [[0]] * len(rows)}
    return call(Operation.TFS_PREDICT, json.dumps({"inputs": inputs}).encode())


def in_rows(rows: np.ndarray) -> Call:
    instances = [{"series": row, "level": [0]} for row in rows.tolist()]
    return call(Operation.TFS_PREDICT, json.dumps({"instances": instances}).encode())


def call(operation: Operation, body: bytes, headers: dict[str, str] | None = None) -> Call:
    return Call(operation, ModelChoice("series", version="1"), body, headers or {})


@pytest.fixture
def service() -> CallService:
    world = World(loader=FakeInterpreterLoader(windows_of_five))
    world.publish(**FIELDS)
    return CallService(PredictService(world.resolver(), world.models()))


Form = Callable[[np.ndarray], Call]
FORMS = [in_json, in_binary, in_columns, in_rows]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steps", [1, 4])
def test_shorter_inputs_are_refused_before_the_interpreter_with_limit_and_length(
    service: CallService, form: Form, steps: int
) -> None:
    with pytest.raises(TensorShapeMismatch, match=r"no inputs shorter than 5.*longer, or pad it") as refusal:
        service.answer(form(np.ones((2, steps, 2), np.float32)), Timings())

    assert (refusal.value.limit, refusal.value.got, refusal.value.field) == (5, steps, "inputs.series.shape")
    assert (refusal.value.code, refusal.value.is_final) == ("tensor_shape_mismatch", True)
    assert service.answer(form(np.ones((2, 5, 2), np.float32)), Timings()).body


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 0, 2), (0, 5, 2), (0, 0, 2)])
def test_inputs_of_no_rows_or_no_steps_are_refused(
    service: CallService, form: Form, shape: tuple[int, int, int]
) -> None:
    with pytest.raises(InvalidInput):
        service.answer(form(np.ones(shape, np.float32)), Timings())


def texts(**changes: object) -> dict[str, object]:
    """Return the fields of a text model that needs five tokens."""
    spec = {"max_tokens": 8, "ids_input": "ids", "mask_input": "mask", "pad_to": "longest", "pad_id": 0, **changes}
    return {
        "name": "texts",
        "inputs": tuple(
            TensorSpec(name=name, datatype="INT32", shape=(-1, -1), min_shape=(1, FEWEST)) for name in ("ids", "mask")
        ),
        "outputs": (TensorSpec(name="most", datatype="FP32", shape=(-1, 2)),),
        "preprocessing": TextPreprocessing(tokenizer_sha256=sha256(TOKENIZER_FILE).hexdigest(), **spec),
        "postprocessing": RawOutputs(),
    }


def text_model(**changes: object) -> ServedModel:
    world = World(loader=FakeInterpreterLoader(windows_of_five))
    ref = world.publish(assets={"tokenizer.json": TOKENIZER_FILE}, **texts(**changes))
    return world.models().get(ref)


@pytest.mark.parametrize(("pad_to", "tokens"), [("longest", FEWEST), ("max_tokens", 8)])
def test_short_texts_are_padded_and_never_refused(pad_to: str, tokens: int) -> None:
    model = text_model(pad_to=pad_to)

    batch = model.preprocessor.collate([model.preprocessor.prepare("good day"), model.preprocessor.prepare("day")])

    assert batch["ids"].tolist() == [[4, 5] + [0] * (tokens - 2), [5] + [0] * (tokens - 1)]
    assert batch["mask"].tolist() == [[1, 1] + [0] * (tokens - 2), [1] + [0] * (tokens - 1)]


def test_a_longer_text_decides_the_padding_as_before() -> None:
    preprocessor = text_model().preprocessor

    batch = preprocessor.collate([preprocessor.prepare("good day good day good day"), preprocessor.prepare("day")])

    assert batch["ids"].shape == (2, 6)


@pytest.mark.parametrize("padding", [None, Padding(4, has_few_lengths=False), Padding(4, has_few_lengths=True)])
def test_an_upload_and_a_shard_of_short_texts_have_results(padding: Padding | None) -> None:
    model = text_model()
    prepared = [model.preprocessor.prepare(text) for text in ("day", "good day")]

    assert len(predict_items(model, prepared, Timings(), top_k=1, padding=padding)) == 2


def test_tokens_that_callers_send_themselves_are_held_to_the_shortest_too() -> None:
    ids = {name: np.ones((1, 3), np.int32) for name in ("ids", "mask")}

    with pytest.raises(TensorShapeMismatch) as refusal:
        run_tensors(text_model(), ids, Timings())

    assert (refusal.value.limit, refusal.value.got) == (5, 3)


def test_metadata_tells_the_smallest_shapes_where_there_are_some() -> None:
    free = ModelContract(**FIELDS)
    fixed = ModelContract(**{**FIELDS, "inputs": (LEVELS,)})

    assert metadata(free, versions=[1], platform="x")["parameters"] == {"min_shapes": {"series": [1, 5, 2]}}
    assert "parameters" not in metadata(fixed, versions=[1], platform="x")


def test_what_finds_a_batch_s_size_and_a_gpu_s_precision_gives_no_model_less_than_it_needs() -> None:
    assert {name: array.shape for name, array in largest_batch(ModelContract(**FIELDS), 3).items()} == {
        "series": (3, 5, 2),
        "level": (3, 1),
    }
