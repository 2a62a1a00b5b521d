"""tritonclient over HTTP: everything it asks about a server and its models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from door import Door, triton
from tritonclient.http import InferenceServerClient
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(door: Door) -> Iterator[InferenceServerClient]:
    with triton(door) as client:
        yield client


def test_the_server_is_live_and_ready(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()


@pytest.mark.parametrize("version", ["", "1", "live"])
def test_the_model_is_ready_by_name_number_and_label(client: InferenceServerClient, version: str) -> None:
    assert client.is_model_ready("digits", version)


def test_an_unknown_model_is_not_ready(client: InferenceServerClient) -> None:
    assert not client.is_model_ready("nobody")


def test_the_server_names_itself_and_its_extensions(client: InferenceServerClient) -> None:
    metadata = client.get_server_metadata()

    assert metadata["name"] == "lambent"
    assert {"binary_tensor_data", "classification", "model_repository", "statistics"} <= {*metadata["extensions"]}


@pytest.mark.parametrize("version", ["", "1", "live"])
def test_metadata_tell_the_tensors(client: InferenceServerClient, version: str) -> None:
    metadata = client.get_model_metadata("digits", version)

    (image,), (scores,) = metadata["inputs"], metadata["outputs"]
    assert metadata["name"] == "digits"
    assert metadata["versions"] == ["1"]
    assert (image["name"], image["datatype"], image["shape"]) == ("image", "FP32", [-1, 28, 28, 1])
    assert (scores["datatype"], scores["shape"]) == ("FP32", [-1, 10])


def test_the_configuration_has_the_tensors_in_tritons_terms(client: InferenceServerClient) -> None:
    config = client.get_model_config("digits")

    (image,) = config["input"]
    assert config["name"] == "digits"
    assert (image["name"], image["data_type"]) == ("image", "TYPE_FP32")


def test_the_repository_lists_the_model_as_ready(client: InferenceServerClient) -> None:
    index = client.get_model_repository_index()

    (digits,) = [entry for entry in index if entry["name"] == "digits"]
    assert (digits["version"], digits["state"]) == ("1", "READY")


def test_a_model_is_unloaded_and_loaded_again(client: InferenceServerClient) -> None:
    client.unload_model("digits")
    client.load_model("digits")

    assert client.is_model_ready("digits")


def test_statistics_count_inferences(client: InferenceServerClient, seven_tensor: dict[str, object]) -> None:
    statistics = client.get_inference_statistics("digits")

    (digits,) = statistics["model_stats"]
    assert (digits["name"], digits["version"]) == ("digits", "1")
    assert set(digits["inference_stats"]) >= {"success", "fail", "queue", "compute_infer"}


def test_statistics_of_all_models_are_listed(client: InferenceServerClient) -> None:
    assert isinstance(client.get_inference_statistics()["model_stats"], list)


@pytest.mark.parametrize("ask", ["get_model_metadata", "get_model_config", "get_inference_statistics", "load_model"])
def test_an_unknown_model_is_an_exception_with_our_text(client: InferenceServerClient, ask: str) -> None:
    with pytest.raises(InferenceServerException, match="no such model") as caught:
        getattr(client, ask)("nobody")

    assert caught.value.status() == "404"


def test_a_missing_key_is_an_exception_with_our_text(door: Door) -> None:
    with InferenceServerClient(door.address) as client, pytest.raises(InferenceServerException, match="x-api-key"):
        client.get_server_metadata()


def test_a_stage_in_the_address_works_as_on_aws_and_outside_it_nothing_is_ready(door: Door) -> None:
    host, _, stage = door.address.partition("/")

    with triton(door) as client, InferenceServerClient(host) as outside:
        assert stage == "dev"
        assert client.is_model_ready("digits")
        assert not outside.is_model_ready("digits")
