"""Media calls on a published model: from body to body."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from builders import World, picture
from lambent.contracts.model import (
    Classification,
    NumericColumn,
    RawOutputs,
    Regression,
    TabularPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.call import Call, CallAnswer, Operation
from lambent.domain.model import ModelChoice
from lambent.errors import (
    ColumnInvalid,
    FieldNotAllowed,
    ImageCorrupt,
    ImageFormatUnsupported,
    LambentError,
    MediaTypeUnsupported,
    NotAcceptable,
    RequestInvalid,
    TextInvalid,
)
from lambent.services.answer_call import CallService
from lambent.services.predict import PredictService, Timings
from lambent_toolkit.fakes import FakeInterpreterLoader

BRIGHT, DARK = picture(255), picture(0, kind="JPEG")
FORM = "multipart/form-data; boundary=xyz"
TABLE = {
    "inputs": (TensorSpec(name="features", datatype="FP32", shape=(-1, 2)),),
    "outputs": (TensorSpec(name="sum", datatype="FP32", shape=(-1, 1)),),
    "preprocessing": TabularPreprocessing(columns=(NumericColumn(name="a"), NumericColumn(name="b", missing=0.0))),
    "postprocessing": Regression(unit="kg"),
}


def add(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Answer each row's sum."""
    return {"sum": inputs["features"].sum(axis=1, keepdims=True)}


def ask(world: World, body: bytes, content_type: str, accept: str | None = None, **query: str) -> CallAnswer:
    service = CallService(PredictService(world.resolver(), world.models()))
    headers = {"content-type": content_type} | ({"accept": accept} if accept else {})
    call = Call(Operation.MEDIA_PREDICT, ModelChoice("shade"), body, headers, query)
    return service.answer(call, Timings())


@pytest.fixture
def shades() -> World:
    world = World()
    world.publish()
    return world


@pytest.fixture
def sums() -> World:
    world = World(loader=FakeInterpreterLoader(add))
    world.publish(**TABLE)
    return world


@pytest.fixture
def words() -> World:
    """Return a world whose model tells a long text from a short one."""
    world = World(loader=FakeInterpreterLoader(tell_length))
    tokenizer = Tokenizer(WordLevel({"a": 0, "?": 1}, unk_token="?"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    asset = tokenizer.to_str().encode()
    world.publish(
        assets={"tokenizer.json": asset},
        inputs=tuple(TensorSpec(name=name, datatype="INT32", shape=(-1, 4)) for name in ("ids", "mask")),
        preprocessing=TextPreprocessing(
            tokenizer_sha256=sha256(asset).hexdigest(), max_tokens=4, ids_input="ids", mask_input="mask"
        ),
        postprocessing=Classification(labels=("short", "long")),
    )
    return world


def tell_length(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Score the share of the tokens that are there."""
    share = inputs["mask"].mean(axis=1)
    return {"scores": np.stack([1 - share, share], axis=1).astype(np.float32)}


def form(*files: tuple[bytes, str]) -> bytes:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="image"; filename="{place}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + body
        + b"\r\n"
        for place, (body, kind) in enumerate(files)
    ]
    return b"".join(parts) + b"--xyz--\r\n"


def labels(answer: CallAnswer) -> list[str]:
    return [each["label"] for each in json.loads(answer.body)["predictions"]]


def test_a_picture_alone_gets_its_label(shades: World) -> None:
    answer = ask(shades, DARK, "image/jpeg", top_k="2")

    assert answer.content_type == "application/json"
    assert json.loads(answer.body) == {
        "model": "shade",
        "version": "1",
        "predictions": [
            {"label": "dark", "score": 1.0, "top": [{"label": "dark", "score": 1.0}, {"label": "bright", "score": 0.0}]}
        ],
        "usage": {"items": 1, "input_bytes": len(DARK)},
    }


def test_several_pictures_come_in_a_form_or_as_json(shades: World) -> None:
    files = {"images": [{"b64": b64encode(each).decode()} for each in (BRIGHT, DARK)]}

    in_form = ask(shades, form((BRIGHT, "image/png"), (DARK, "image/jpeg")), FORM)
    in_json = ask(shades, json.dumps(files).encode(), "application/json")

    assert labels(in_form) == labels(in_json) == ["bright", "dark"]
    assert json.loads(in_form.body)["usage"]["items"] == 2


def test_rows_come_as_csv_or_json(sums: World) -> None:
    in_csv = ask(sums, b"b,a\n2,1\n,3\n", "text/csv; charset=utf-8")
    in_json = ask(sums, b'{"rows": [{"a": 1, "b": 2}, {"a": 3}]}', "application/json")

    expected = [{"value": 3.0, "unit": "kg"}, {"value": 3.0, "unit": "kg"}]
    assert json.loads(in_csv.body)["predictions"] == json.loads(in_json.body)["predictions"] == expected


def test_texts_come_plain_or_as_json(words: World) -> None:
    plain = ask(words, "a gr\u00fcezi a".encode(), "text/plain; charset=utf-8")
    one = ask(words, b'{"text": "a a a"}', "application/json")
    several = ask(words, b'{"texts": ["a", "a a a"]}', "application/json")

    assert labels(plain) == labels(one) == ["long"]
    assert labels(several) == ["short", "long"]


@pytest.mark.parametrize(
    ("body", "content_type", "field"),
    [
        (b"", "text/plain", "text"),
        (b"a a a a a", "text/plain", "text"),
        (b"\xff", "text/plain", "text"),
        (b'{"text": " "}', "application/json", "text"),
        (b'{"texts": ["a", ""]}', "application/json", "texts[1]"),
    ],
)
def test_a_text_that_cannot_be_taken_is_named(words: World, body: bytes, content_type: str, field: str) -> None:
    with pytest.raises(TextInvalid) as refusal:
        ask(words, body, content_type)

    assert refusal.value.field == field


@pytest.fixture
def masks() -> World:
    """Return a world whose model answers each picture with two outputs, and no label."""

    def tell(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"mask": inputs["image"][..., 0], "mean": inputs["image"].mean(axis=(1, 2, 3))}

    world = World(loader=FakeInterpreterLoader(tell))
    world.publish(**MASK)
    return world


MASK = {
    "outputs": (
        TensorSpec(name="mask", datatype="FP32", shape=(-1, 2, 2)),
        TensorSpec(name="mean", datatype="FP32", shape=(-1,)),
    ),
    "postprocessing": RawOutputs(),
}


def test_a_picture_of_a_model_without_labels_is_answered_with_its_outputs(masks: World) -> None:
    one = json.loads(ask(masks, BRIGHT, "image/png").body)
    two = ask(masks, form((BRIGHT, "image/png"), (DARK, "image/jpeg")), FORM, "text/csv")

    assert one["predictions"] == [
        {
            "outputs": [
                {"name": "mask", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 1.0, 1.0, 1.0]},
                {"name": "mean", "datatype": "FP32", "shape": [], "data": [1.0]},
            ]
        }
    ]
    assert two.body.decode().splitlines() == [
        "mask[0],mask[1],mask[2],mask[3],mean",
        "1.0,1.0,1.0,1.0,1.0",
        "0.0,0.0,0.0,0.0,0.0",
    ]


def test_the_answer_is_csv_for_whoever_asks_for_it(shades: World, sums: World) -> None:
    classes = ask(shades, form((BRIGHT, "image/png"), (DARK, "image/jpeg")), FORM, "text/csv", top_k="2")
    values = ask(sums, b"a,b\n1,2\n", "text/csv", "text/csv")

    assert classes.content_type.startswith("text/csv")
    assert classes.headers["Vary"] == "Accept"
    assert classes.body.decode().splitlines() == [
        "label,score,label_2,score_2",
        "bright,1.0,dark,0.0",
        "dark,1.0,bright,0.0",
    ]
    assert values.body == b"value,unit\r\n3.0,kg\r\n"


def test_labels_below_the_threshold_leave_their_cells_empty() -> None:
    world = World()
    world.publish(postprocessing=Classification(labels=("dark", "=bright"), threshold=0.9))

    answer = ask(world, form((BRIGHT, "image/png"), (picture(128), "image/png")), FORM, "text/csv", top_k="2")

    assert answer.body == b"label,score\r\n'=bright,1.0\r\n,\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "error", "field"),
    [
        (BRIGHT, "image/jpeg", ImageFormatUnsupported, "image"),
        (BRIGHT, "image/gif", MediaTypeUnsupported, "Content-Type"),
        (b"hello", "text/plain", MediaTypeUnsupported, "Content-Type"),
        (b"GIF89a", "image/png", ImageFormatUnsupported, "image"),
        (form((BRIGHT, "image/png"), (DARK, "image/png")), FORM, ImageFormatUnsupported, "images[1]"),
        (form((BRIGHT, "image/png"), (BRIGHT[:40], "image/png")), FORM, ImageCorrupt, "images[1]"),
        (form((BRIGHT, "image/png"), (b"GIF89a", "")), FORM, ImageFormatUnsupported, "images[1]"),
        (b'{"image": {"b64": "R0lGODlh"}}', "application/json", ImageFormatUnsupported, "image"),
        (b'{"images": [{"b64": "R0lGODlh"}]}', "application/json", ImageFormatUnsupported, "images[0]"),
    ],
)
def test_a_picture_that_cannot_be_taken_is_named(
    shades: World, body: bytes, content_type: str, error: type[LambentError], field: str
) -> None:
    with pytest.raises(error) as refusal:
        ask(shades, body, content_type)

    assert refusal.value.field == field


def test_a_declared_type_that_is_not_the_contents_names_both(shades: World) -> None:
    with pytest.raises(ImageFormatUnsupported, match="it is a PNG") as refusal:
        ask(shades, BRIGHT, "image/jpeg")

    assert (refusal.value.limit, refusal.value.got) == ("JPEG", "PNG")


@pytest.mark.parametrize(
    ("body", "content_type", "field"),
    [
        (b"a,b\n1,2\n,2\n", "text/csv", "rows[1].a"),
        (b"a,b\n1,2\nx,2\n", "text/csv", "rows[1].a"),
        (b'{"rows": [{"a": 1}, {"a": "1"}]}', "application/json", "rows[1].a"),
        (b'{"rows": [{"a": 1, "c": 1}]}', "application/json", "rows[0].c"),
    ],
)
def test_a_cell_that_cannot_be_taken_is_named_by_row_and_column(
    sums: World, body: bytes, content_type: str, field: str
) -> None:
    with pytest.raises(ColumnInvalid) as refusal:
        ask(sums, body, content_type)

    assert refusal.value.field == field


def test_a_models_kind_decides_what_it_takes(shades: World, sums: World) -> None:
    with pytest.raises(MediaTypeUnsupported) as refusal_of_text:
        ask(shades, b"a\n1\n", "text/csv")
    with pytest.raises(MediaTypeUnsupported) as refusal_of_picture:
        ask(sums, BRIGHT, "image/png")

    assert refusal_of_text.value.limit == [
        "image/jpeg", "image/png", "image/webp", "multipart/form-data", "application/json"
    ]  # fmt: skip
    assert refusal_of_picture.value.limit == ["text/csv", "application/json"]


@pytest.mark.parametrize("top_k", ["0", "101", "-1", "1.5", "two", "", "9" * 5000])
def test_top_k_is_a_small_whole_number(shades: World, top_k: str) -> None:
    with pytest.raises(RequestInvalid) as refusal:
        ask(shades, BRIGHT, "image/png", top_k=top_k)

    assert refusal.value.field == "top_k"


def test_an_unknown_query_parameter_is_refused(shades: World) -> None:
    with pytest.raises(FieldNotAllowed) as refusal:
        ask(shades, BRIGHT, "image/png", topk="5")

    assert (refusal.value.field, refusal.value.limit) == ("topk", ["top_k"])


def test_an_answer_that_nobody_wants_costs_no_inference(shades: World) -> None:
    with pytest.raises(NotAcceptable):
        ask(shades, BRIGHT, "image/png", "image/png")

    assert shades.loader.loads == 0
