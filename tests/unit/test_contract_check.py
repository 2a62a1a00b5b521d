"""Contracts that contradict themselves are refused where they are published and where they are loaded."""

from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest

from builders import World, contract
from lambent.contracts.model import (
    CategoricalColumn,
    Classification,
    ImagePreprocessing,
    NumericColumn,
    RawOutputs,
    Regression,
    Series,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.contract_check import check_contract
from lambent.errors import ModelContractMismatch


def spec(name: str, *shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def image(**changes: object) -> ImagePreprocessing:
    return ImagePreprocessing(**{"height": 2, "width": 2, "channels": 1, **changes})


def text(**changes: object) -> TextPreprocessing:
    return TextPreprocessing(**{"tokenizer_sha256": "0" * 64, "max_tokens": 8, "ids_input": "ids", **changes})


def table(*columns: NumericColumn | CategoricalColumn) -> TabularPreprocessing:
    return TabularPreprocessing(columns=columns)


def window(*shape: int) -> dict[str, object]:
    return {"inputs": (spec("window", -1, *shape),), "preprocessing": TensorPreprocessing()}


def forecast(**series: object) -> dict[str, object]:
    return {"outputs": (spec("next", -1, 1),), "postprocessing": Regression(series=Series(**series))}


AGE = NumericColumn(name="age")
COLOUR = CategoricalColumn(name="colour", vocabulary=("red", "green"))
RAW = {"postprocessing": RawOutputs()}
IDS = spec("ids", -1, 8, datatype="INT32")

GOOD = {
    "image": {},
    "uint8 image": {
        "inputs": (spec("image", -1, 2, 2, 1, datatype="UINT8"),),
        "preprocessing": image(scale=1.0, offset=0.0),
    },
    "text": {"inputs": (IDS,), "preprocessing": text()},
    "text of free length": {
        "inputs": (spec("ids", -1, -1, datatype="INT64"),),
        "preprocessing": text(pad_to="longest"),
    },
    "table": {"inputs": (spec("x", -1, 3),), "preprocessing": table(AGE, COLOUR)},
    "tensors of a fixed batch": {
        "inputs": (spec("a", 1, 3), spec("b", 4)),
        "outputs": (spec("y", 1),),
        "preprocessing": TensorPreprocessing(),
        **RAW,
    },
    "second output": {
        "outputs": (spec("boxes", -1, 4), spec("scores", -1, 2)),
        "postprocessing": Classification(labels=("a", "b"), output="scores"),
    },
    "regression": {"outputs": (spec("price", -1),), "postprocessing": Regression()},
    "forecast of a window": {**window(24, 2), **forecast(channel=1, period=12)},
    "forecast of a table": {
        "inputs": (spec("x", -1, 1),),
        "preprocessing": table(AGE),
        **forecast(columns={"age": 1}),
    },
    "labels of a fixed batch of tensors": {
        "inputs": (spec("a", 1, 3),),
        "outputs": (spec("scores", 1, 2),),
        "preprocessing": TensorPreprocessing(),
    },
}

BAD = {
    "two inputs of one name": {"inputs": (spec("a", -1), spec("a", -1)), "preprocessing": TensorPreprocessing()},
    "no dimension": {"outputs": (spec("y"),), **RAW},
    "zero dimension": {"outputs": (spec("y", -1, 0),), **RAW},
    "fixed batch of items": {"inputs": (spec("image", 1, 2, 2, 1),)},
    "two inputs of a picture": {"inputs": (spec("image", -1, 2, 2, 1), spec("size", -1, 2))},
    "picture of another size": {"inputs": (spec("image", -1, 3, 2, 1),)},
    "picture of free size": {"inputs": (spec("image", -1, -1, 2, 1),)},
    "picture as INT8": {"inputs": (spec("image", -1, 2, 2, 1, datatype="INT8"),)},
    "scaled pixels as UINT8": {"inputs": (spec("image", -1, 2, 2, 1, datatype="UINT8"),)},
    "every picture the same": {"preprocessing": image(scale=0.0)},
    "infinite scale": {"preprocessing": image(scale=float("inf"))},
    "text input that nobody fills": {"inputs": (IDS, spec("mask", -1, 8, datatype="INT32")), "preprocessing": text()},
    "text fills an input twice": {"inputs": (IDS,), "preprocessing": text(mask_input="ids")},
    "text of another length": {"inputs": (spec("ids", -1, 9, datatype="INT32"),), "preprocessing": text()},
    "longest in a fixed length": {"inputs": (IDS,), "preprocessing": text(pad_to="longest")},
    "ids as floats": {"inputs": (spec("ids", -1, 8),), "preprocessing": text()},
    "table of another width": {"inputs": (spec("x", -1, 2),), "preprocessing": table(AGE, COLOUR)},
    "numbers as integers": {"inputs": (spec("x", -1, 1, datatype="INT32"),), "preprocessing": table(AGE)},
    "two columns of one name": {"inputs": (spec("x", -1, 2),), "preprocessing": table(AGE, AGE)},
    "infinite mean": {
        "inputs": (spec("x", -1, 1),),
        "preprocessing": table(NumericColumn(name="a", mean=float("inf"))),
    },
    "word twice": {
        "inputs": (spec("x", -1, 2),),
        "preprocessing": table(CategoricalColumn(name="a", vocabulary=("x", "x"))),
    },
    "missing word unknown": {
        "inputs": (spec("x", -1, 1),),
        "preprocessing": table(CategoricalColumn(name="a", vocabulary=("x",), missing="y")),
    },
    "labels of another number": {"postprocessing": Classification(labels=("a", "b", "c"))},
    "labels of a free number": {"outputs": (spec("scores", -1, -1),)},
    "output that is not there": {"postprocessing": Classification(labels=("a", "b"), output="nowhere")},
    "scores as integers": {"outputs": (spec("scores", -1, 2, datatype="UINT8"),)},
    "temperature of a single probability": {
        "outputs": (spec("scores", -1, 1),),
        "postprocessing": Classification(labels=("a",), temperature=2.0),
    },
    "infinite temperature": {"postprocessing": Classification(labels=("a", "b"), temperature=float("inf"))},
    "regression of two numbers": {"postprocessing": Regression()},
    "series of a picture": forecast(),
    "series that is not there": {**window(24), **forecast(input="nowhere")},
    "channel that is not there": {**window(24, 2), **forecast(channel=2)},
    "second channel of one": {**window(24), **forecast(channel=1)},
    "infinite scale of a window": {**window(24), **forecast(scale=float("inf"))},
    "columns of a window": {**window(24), **forecast(columns={"age": 1})},
    "series of a table without columns": {"inputs": (spec("x", -1, 1),), "preprocessing": table(AGE), **forecast()},
    "series of words": {
        "inputs": (spec("x", -1, 2),),
        "preprocessing": table(AGE, COLOUR),
        **forecast(columns={"colour": 1}),
    },
    "scores of a fixed batch": {"outputs": (spec("scores", 1, 2),)},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_contract_whose_parts_agree_is_taken(changes: dict) -> None:
    check_contract(contract(**changes))


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_contract_that_contradicts_itself_is_refused_and_the_place_named(changes: dict) -> None:
    with pytest.raises(ModelContractMismatch, match="contradicts itself") as refusal:
        check_contract(contract(**changes))

    assert refusal.value.field


def test_publishing_refuses_before_anything_is_written() -> None:
    world = World()

    with pytest.raises(ModelContractMismatch):
        world.publish(**BAD["labels of another number"])

    assert world.store.objects == {}


def test_a_contract_that_was_published_by_other_means_is_refused_at_loading() -> None:
    world = World()
    ref = world.publish()
    broken = msgspec.json.encode(contract(**BAD["labels of another number"]))
    files = dict(world.store.objects)
    world.store.objects.clear()
    manifest = msgspec.json.decode(files[ref.key("manifest.json")])
    manifest["files"]["contract.json"]["sha256"] = sha256(broken).hexdigest()
    files[ref.key("contract.json")] = broken
    files[ref.key("manifest.json")] = msgspec.json.encode(manifest)
    world.store.objects.update(files)
    record = world.registry.records[ref]
    world.registry.records[ref] = replace(record, manifest_sha256=sha256(files[ref.key("manifest.json")]).hexdigest())

    with pytest.raises(ModelContractMismatch):
        world.models().get(ref)

    assert world.loader.loads == 0
