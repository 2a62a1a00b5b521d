"""tritonclient over HTTP: inference in every form in which it writes and reads tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from door import Door, triton
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(door: Door) -> Iterator[InferenceServerClient]:
    with triton(door) as client:
        yield client


@pytest.fixture
def pixels(seven_tensor: dict[str, object]) -> np.ndarray:
    return np.array(seven_tensor["data"], np.float32).reshape(1, 28, 28, 1)


@pytest.fixture
def output(client: InferenceServerClient) -> str:
    return client.get_model_metadata("digits")["outputs"][0]["name"]


def tensor(array: np.ndarray, *, binary: bool = True, name: str = "image", datatype: str = "FP32") -> InferInput:
    given = InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def best(result: InferResult, output: str) -> list[int]:
    return result.as_numpy(output).argmax(axis=1).tolist()


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_json_and_binary_mix_both_ways(
    client: InferenceServerClient, pixels: np.ndarray, output: str, binary_in: bool, binary_out: bool
) -> None:
    wanted = [InferRequestedOutput(output, binary_data=binary_out)]

    result = client.infer("digits", [tensor(pixels, binary=binary_in)], outputs=wanted)

    assert best(result, output) == [7]
    assert result.as_numpy(output).shape == (1, 10)
    assert result.as_numpy(output).dtype == np.float32
    assert ("data" in result.get_output(output)) is not binary_out


def test_without_requested_outputs_all_come_in_binary(
    client: InferenceServerClient, pixels: np.ndarray, output: str
) -> None:
    result = client.infer("digits", [tensor(pixels)])

    assert best(result, output) == [7]
    assert result.get_output(output)["parameters"]["binary_data_size"] == 40


@pytest.mark.parametrize("request_coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("answer_coding", [None, "gzip", "deflate"])
def test_compression_both_ways_keeps_the_tensors(
    client: InferenceServerClient,
    pixels: np.ndarray,
    output: str,
    request_coding: str | None,
    answer_coding: str | None,
) -> None:
    batch = np.repeat(pixels, 256, axis=0)

    result = client.infer(
        "digits",
        [tensor(batch)],
        request_compression_algorithm=request_coding,
        response_compression_algorithm=answer_coding,
    )

    assert best(result, output) == [7] * 256


def test_a_picture_goes_in_as_bytes(client: InferenceServerClient, seven: bytes, output: str) -> None:
    pictures = np.array([seven, seven], dtype=np.object_)

    result = client.infer("digits", [tensor(pictures, datatype="BYTES")])

    assert best(result, output) == [7, 7]


def test_pictures_of_one_column_go_in_as_bytes(client: InferenceServerClient, seven: bytes, output: str) -> None:
    pictures = np.array([[seven], [seven]], dtype=np.object_)

    result = client.infer("digits", [tensor(pictures, datatype="BYTES")])

    assert best(result, output) == [7, 7]


@pytest.mark.parametrize("binary_out", [True, False])
def test_class_count_gets_the_best_classes_as_strings(
    client: InferenceServerClient, pixels: np.ndarray, output: str, binary_out: bool
) -> None:
    wanted = [InferRequestedOutput(output, binary_data=binary_out, class_count=3)]

    classes = client.infer("digits", [tensor(pixels)], outputs=wanted).as_numpy(output)

    texts = [entry.decode() if isinstance(entry, bytes) else entry for entry in classes.ravel()]
    scores = [float(text.split(":")[0]) for text in texts]
    assert classes.shape == (1, 3)
    assert texts[0].split(":")[1:] == ["7", "7"]
    assert scores == sorted(scores, reverse=True)


def test_the_request_id_comes_back(client: InferenceServerClient, pixels: np.ndarray) -> None:
    response = client.infer("digits", [tensor(pixels)], request_id="mine").get_response()

    assert response["id"] == "mine"
    assert (response["model_name"], response["model_version"]) == ("digits", "1")


@pytest.mark.parametrize("version", ["1", "live"])
def test_a_version_is_chosen_by_number_or_label(
    client: InferenceServerClient, pixels: np.ndarray, version: str
) -> None:
    response = client.infer("digits", [tensor(pixels)], model_version=version).get_response()

    assert response["model_version"] == "1"


def test_many_requests_may_be_under_way_at_once(door: Door, pixels: np.ndarray, output: str) -> None:
    with triton(door, concurrency=4) as client:
        pending = [client.async_infer("digits", [tensor(pixels)], request_id=str(number)) for number in range(12)]
        results = [each.get_result() for each in pending]

    assert [result.get_response()["id"] for result in results] == [str(number) for number in range(12)]
    assert [best(result, output) for result in results] == [[7]] * 12


@pytest.mark.parametrize(
    ("array", "name", "message"),
    [
        (np.zeros((1, 8, 8, 1), np.float32), "image", "shape"),
        (np.zeros((1, 28, 28, 1), np.float32), "picture", "image"),
    ],
)
def test_a_wrong_tensor_is_an_exception_with_our_text(
    client: InferenceServerClient, array: np.ndarray, name: str, message: str
) -> None:
    with pytest.raises(InferenceServerException, match=message) as caught:
        client.infer("digits", [tensor(array, name=name)])

    assert caught.value.status() == "422"


def test_a_wrong_datatype_is_an_exception_with_our_text(client: InferenceServerClient) -> None:
    whole = np.zeros((1, 28, 28, 1), np.int64)

    with pytest.raises(InferenceServerException, match="FP32"):
        client.infer("digits", [tensor(whole, datatype="INT64")])


def test_an_unknown_output_is_an_exception_with_our_text(client: InferenceServerClient, pixels: np.ndarray) -> None:
    with pytest.raises(InferenceServerException, match="outputs"):
        client.infer("digits", [tensor(pixels)], outputs=[InferRequestedOutput("nothing")])
