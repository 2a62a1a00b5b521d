"""TensorFlow Serving calls on a published model: from body to body."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable

import numpy as np
import pytest

from builders import World, picture, tell_shade
from lambent.contracts.model import ModelContract, RawOutputs, Regression, TensorPreprocessing, TensorSpec
from lambent.domain.call import Call, Operation
from lambent.domain.model import LIVE, Change, ModelChoice
from lambent.errors import ImageCorrupt, ModelLoadFailed, ModelNotFound, RequestInvalid
from lambent.services.answer_call import CallService
from lambent.services.describe import DescribeService
from lambent.services.describe_tfs import DescribeTfsService
from lambent.services.predict import PredictService, Timings
from lambent_toolkit.fakes import FakeInterpreter, FakeInterpreterLoader

BRIGHT = {"b64": b64encode(picture(255)).decode()}
DARK = {"b64": b64encode(picture(0)).decode()}
X = TensorSpec(name="x", datatype="FP32", shape=(-1, 1))
Y = TensorSpec(name="y", datatype="FP32", shape=(-1, 1))


def half_plus_three(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """TensorFlow Serving's own example."""
    return {"y": inputs["x"] / 2 + 3}


@pytest.fixture
def call() -> Callable[..., dict]:
    """Return calls of the shade model."""
    world = World()
    world.publish()
    return caller(world, "shade")


@pytest.fixture
def call_half() -> Callable[..., dict]:
    """Return calls of a regression."""
    world = World(loader=FakeInterpreterLoader(half_plus_three))
    world.publish(
        name="half", inputs=(X,), outputs=(Y,), preprocessing=TensorPreprocessing(), postprocessing=Regression()
    )
    return caller(world, "half")


def caller(world: World, model: str) -> Callable[..., dict]:
    service = CallService(PredictService(world.resolver(), world.models()))

    def call(method: str, **fields: object) -> dict:
        request = Call(Operation(f"tfs_{method}"), ModelChoice(model), json.dumps(fields).encode())
        answer = service.answer(request, Timings())
        assert answer.content_type == "application/json"
        return json.loads(answer.body)

    return call


def test_the_guides_examples_get_the_guides_answers(call_half) -> None:
    predicted = call_half("predict", instances=[1.0, 2.0, 5.0])
    regressed = call_half("regress", signature_name="tensorflow/serving/regress", examples=[{"x": 1.0}, {"x": 2.0}])

    assert predicted == {"predictions": [[3.5], [4.0], [5.5]]}
    assert regressed == {"results": [3.5, 4.0]}


def test_nan_goes_in_and_comes_out(call_half) -> None:
    answer = call_half("predict", inputs=[[float("nan")], [float("-inf")]])

    assert str(answer["outputs"]) == "[[nan], [-inf]]"


def test_pictures_get_the_models_outputs(call) -> None:
    rows = call("predict", instances=[BRIGHT, {"image": DARK}])
    columns = call("predict", inputs={"image": [BRIGHT, DARK]})

    assert rows == {"predictions": [[0, 1], [1, 0]]}
    assert columns == {"outputs": [[0, 1], [1, 0]]}


def test_pictures_get_their_labels_best_first(call) -> None:
    answer = call("classify", examples=[{"image": BRIGHT}, {"image": DARK}])

    assert answer == {"results": [[["bright", 1.0], ["dark", 0.0]], [["dark", 1.0], ["bright", 0.0]]]}


def test_a_bad_picture_is_named_by_its_place(call) -> None:
    with pytest.raises(ImageCorrupt) as refusal:
        call("predict", instances=[BRIGHT, {"b64": b64encode(picture(0)[:40]).decode()}])

    assert refusal.value.field == "instances[1]"


def test_a_method_that_the_model_has_no_answer_for_is_refused(call, call_half) -> None:
    with pytest.raises(RequestInvalid, match="no labels"):
        call_half("classify", examples=[{"x": 1}])
    with pytest.raises(RequestInvalid, match="no regression"):
        call("regress", examples=[{"image": DARK}])


# ------------------------------------------------------------------------------------------------ status and metadata


class RefusingLoader(FakeInterpreterLoader):
    """An interpreter that refuses every file."""

    def load(self, model: bytes, contract: ModelContract) -> FakeInterpreter:  # noqa: ARG002 - the port's signature
        raise ModelLoadFailed("It does not load.")


def describer(world: World) -> DescribeTfsService:
    return DescribeTfsService(DescribeService(world.registry), PredictService(world.resolver(), world.models()))


def test_status_tells_all_versions_or_one_and_whether_it_is_ready() -> None:
    world = World()
    world.publish()
    world.publish()
    available = [
        {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        for version in ("2", "1")
    ]

    assert describer(world).status(ModelChoice("shade")) == {
        "name": "shade",
        "ready": True,
        "model_version_status": available,
    }
    assert describer(world).status(ModelChoice("shade", version="1"))["model_version_status"] == available[1:]
    assert describer(world).status(ModelChoice("shade", label="live"))["model_version_status"] == available[:1]


def test_a_broken_version_is_at_its_end_and_not_ready() -> None:
    world = World(loader=RefusingLoader(tell_shade))
    world.publish()

    told = describer(world).status(ModelChoice("shade"))

    assert told["ready"] is False
    assert told["model_version_status"] == [
        {
            "version": "1",
            "state": "END",
            "status": {"error_code": "FAILED_PRECONDITION", "error_message": "It does not load."},
        }
    ]


def test_an_unloaded_model_is_at_its_end() -> None:
    world = World()
    world.publish()
    world.registry.set_unloaded("shade", Change("2026-01-01T00:00:00Z", "ann", ""), is_unloaded=True)

    told = describer(world).status(ModelChoice("shade"))

    assert told["ready"] is False
    assert [each["state"] for each in told["model_version_status"]] == ["END"]


def test_versions_without_a_live_one_are_listed_and_not_ready() -> None:
    world = World()
    world.publish()
    del world.registry.label_records["shade", LIVE]

    told = describer(world).status(ModelChoice("shade"))

    assert told["ready"] is False
    assert [each["state"] for each in told["model_version_status"]] == ["AVAILABLE"]


def test_what_does_not_exist_has_no_status() -> None:
    world = World()
    world.publish()

    for choice in (ModelChoice("nobody"), ModelChoice("shade", version="9"), ModelChoice("shade", label="canary")):
        with pytest.raises(ModelNotFound):
            describer(world).status(choice)


def test_metadata_is_that_of_the_chosen_version() -> None:
    world = World()
    world.publish(postprocessing=RawOutputs())

    told = describer(world).metadata(ModelChoice("shade", version="1"))

    assert told["model_spec"]["version"] == "1"
