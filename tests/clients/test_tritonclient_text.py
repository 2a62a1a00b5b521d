"""tritonclient over HTTP: texts as BYTES, to a model whose own inputs are token ids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from door import Door, publish_recipe, triton
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

# A machine that has never trained the recipe does so here.
GREEK = "Σήμερα είναι Πέμπτη, αύριο είναι Παρασκευή."
JAPANESE = "木曜日は週の曜日です。"


@pytest.fixture(scope="module")
def client(door: Door) -> Iterator[InferenceServerClient]:
    publish_recipe(door, "language")
    with triton(door) as client:
        yield client


def texts(*given: str, binary: bool = True, column: bool = False) -> InferInput:
    array = np.array([text.encode() for text in given], dtype=np.object_)
    array = array.reshape(-1, 1) if column else array
    tensor = InferInput("text", list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("column", [True, False])
def test_texts_go_in_as_bytes_and_their_labels_come_out(
    client: InferenceServerClient, binary: bool, column: bool
) -> None:
    wanted = InferRequestedOutput("scores", binary_data=binary, class_count=1)

    result = client.infer("language", [texts(GREEK, JAPANESE, binary=binary, column=column)], outputs=[wanted])

    classes = result.as_numpy("scores")
    strings = [entry.decode() if isinstance(entry, bytes) else entry for entry in classes.ravel()]
    assert classes.shape == (2, 1)
    assert [string.split(":")[2] for string in strings] == ["el", "ja"]


def test_the_scores_of_a_text_are_a_tensor(client: InferenceServerClient) -> None:
    scores = client.infer("language", [texts(GREEK)]).as_numpy("scores")

    assert (scores.shape, scores.dtype) == ((1, 16), np.float32)
    assert scores.sum() == pytest.approx(1, abs=1e-3)


def test_metadata_name_the_token_inputs(client: InferenceServerClient) -> None:
    metadata = client.get_model_metadata("language")

    assert [(each["name"], each["datatype"]) for each in metadata["inputs"]] == [("ids", "INT32"), ("mask", "INT32")]


def test_a_text_that_cannot_be_taken_is_an_exception_with_our_text(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="The text is empty") as caught:
        client.infer("language", [texts(GREEK, " ")])

    assert caught.value.status() == "422"
