"""Inputs that are shorter than a model's convolution: refused with the limit at every door, and others go on.

Each version is published twice: with the smallest shape in its contract, as `lambent import` finds it, and without, as
a release before this one has published it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from lambent.adapters.litert import LiteInterpreterLoader
from lambent.contracts.lines import decode_lines
from lambent.contracts.model import (
    Classification,
    ModelContract,
    RawOutputs,
    TensorPreprocessing,
    TensorSpec,
    TextPreprocessing,
)
from lambent.domain.model import LIVE
from lambent.domain.preprocessing import make_preprocessor
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.publishing import Publisher

CRASHING = Path(__file__).parents[2] / "fixtures" / "crashing"
TENANT = "lengths"
SHORTEST = 5
SHORT, LONG = "day", "good day good day good day"


def publish(product: Any, contract: ModelContract, file: str, raw: list[bytes], assets: Mapping[str, bytes]) -> str:
    """Publish a version with golden vectors of long inputs and make it live; the gate is not asked."""
    model = CRASHING / f"{file}.tflite"
    if raw:
        preprocessor = make_preprocessor(contract, assets)
        tensors = preprocessor.collate([preprocessor.prepare(item) for item in raw])
    else:
        tensors = {"series": np.random.default_rng(3).random((2, 12, 3), np.float32)}
    golden = GoldenVectors(raw, tensors, LiteInterpreterLoader().load(model, contract).run(tensors))
    files = {"model.tflite": model.read_bytes(), "golden.npz": golden.to_npz(), **assets}
    publisher = Publisher(product.info)
    publisher.set_label(contract.name, LIVE, publisher.publish_files(files, contract).ref.version)
    return contract.name


@pytest.fixture(scope="module", params=[True, False], ids=["in_the_contract", "not_in_the_contract"])
def is_told(request: pytest.FixtureRequest) -> bool:
    """Whether the contract says how short inputs may be."""
    return bool(request.param)


@pytest.fixture(scope="module")
def series(product: Any, is_told: bool) -> str:
    """Publish a model of steps of three numbers."""
    smallest = (1, SHORTEST, 3) if is_told else None
    contract = ModelContract(
        name=f"short-series-{'told' if is_told else 'untold'}",
        inputs=(TensorSpec(name="series", datatype="FP32", shape=(-1, -1, 3), min_shape=smallest),),
        outputs=(TensorSpec(name="most", datatype="FP32", shape=(-1, 2)),),
        preprocessing=TensorPreprocessing(),
        postprocessing=RawOutputs(),
    )
    return publish(product, contract, "dies_of_short_inputs", [], {})


@pytest.fixture(scope="module")
def texts(product: Any, is_told: bool) -> str:
    """Publish a model of texts that are padded to the longest of a call."""
    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "?": 1, "good": 2, "day": 3}, "?"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    asset = tokenizer.to_str().encode()
    smallest = (1, SHORTEST) if is_told else None
    contract = ModelContract(
        name=f"short-texts-{'told' if is_told else 'untold'}",
        inputs=tuple(
            TensorSpec(name=name, datatype="INT32", shape=(-1, -1), min_shape=smallest) for name in ("ids", "mask")
        ),
        outputs=(TensorSpec(name="scores", datatype="FP32", shape=(-1, 2)),),
        preprocessing=TextPreprocessing(
            tokenizer_sha256=sha256(asset).hexdigest(),
            max_tokens=32, ids_input="ids", mask_input="mask", pad_to="longest",
        ),
        postprocessing=Classification(labels=("a", "b")),
    )  # fmt: skip
    return publish(product, contract, "dies_of_short_texts", [LONG.encode()], {"tokenizer.json": asset})


def oip(model: str, steps: int) -> dict[str, Any]:
    tensor = {"name": "series", "shape": [1, steps, 3], "datatype": "FP32", "data": [0.5] * 3 * steps}
    return {"url": f"/v2/models/{model}/infer", "json": {"inputs": [tensor]}}


def tfs(model: str, steps: int) -> dict[str, Any]:
    return {"url": f"/v1/models/{model}:predict", "json": {"instances": [[[0.5] * 3] * steps]}}


@pytest.mark.parametrize("form", [oip, tfs])
def test_a_short_input_is_422_with_the_limit_and_its_neighbours_are_answered(
    product: Any, series: str, form: Any
) -> None:
    lengths = (2, 12, 4, 1, SHORTEST)

    answers = [product.http.post(**form(series, steps)) for steps in lengths]
    of_another = product.http.post(
        "/models/digits/predict", content=product.seven, headers={"Content-Type": "image/png"}
    )

    assert [answer.status_code for answer in answers] == [422, 200, 422, 422, 200]
    told = [(each["code"], each["limit"], each["got"]) for each in (answers[n].json() for n in (0, 2, 3))]
    assert told == [("tensor_shape_mismatch", SHORTEST, steps) for steps in (2, 4, 1)]
    assert of_another.status_code == 200


def test_a_short_input_of_a_call_for_later_ends_it_and_the_next_one_is_answered(product: Any, series: str) -> None:
    calls = [product.http.post(**oip(series, steps), headers={"Prefer": "respond-async"}) for steps in (3, 12)]

    jobs = [product.wait_for_job(call.json()["id"], "default") for call in calls]
    outcomes = [product.http.get(f"/jobs/{call.json()['id']}").json() for call in calls]

    assert [job["state"] for job in jobs] == ["FAILED", "SUCCEEDED"]
    assert outcomes[0]["error"]["code"] == "tensor_shape_mismatch"
    assert "shorter than 5" in outcomes[0]["error"]["detail"]


def test_short_texts_are_padded_where_the_contract_says_so_and_refused_with_the_limit_else(
    product: Any, texts: str, is_told: bool
) -> None:
    key, headers = f"{TENANT}/{texts}/short.txt", {"Content-Type": "text/plain"}
    product.put(f"inbox/{key}", SHORT.encode())

    short, long = (
        product.http.post(f"/models/{texts}/predict", content=text, headers=headers) for text in (SHORT, LONG)
    )
    outcome = product.wait_for_json(f"results/{key}.json" if is_told else f"results/{key}.error.json")

    assert long.status_code == 200, long.text
    assert short.status_code == (200 if is_told else 422), short.text
    if is_told:
        assert outcome["label"] in ("a", "b")
    else:
        assert (outcome["code"], outcome["retryable"]) == ("tensor_shape_mismatch", False)
        assert (short.json()["code"], short.json()["limit"]) == ("tensor_shape_mismatch", SHORTEST)


def test_a_batch_of_short_texts_ends(product: Any, texts: str, is_told: bool) -> None:
    job_id = f"{texts}-batch"
    lines = [json.dumps({"id": f"i{number}", "text": SHORT}) for number in range(3)]
    product.put(f"inputs/{TENANT}/{job_id}.jsonl", "\n".join(lines).encode())
    address = f"s3://{product.data}/inputs/{TENANT}/{job_id}.jsonl"
    request = {"schema_version": 1, "id": job_id, "model": texts, "lane": "cpu", "input": {"manifest_uri": address}}
    product.send_batch(json.dumps(request), tenant=TENANT)

    job = product.wait_for_job(job_id, TENANT)

    done, failed = (3, 0) if is_told else (0, 3)
    assert (job["done"], job["failed"]) == (done, failed)
    if not is_told:
        errors = decode_lines(product.read(f"jobs/{TENANT}/{job_id}/errors.jsonl"))
        assert {line["code"] for line in errors} == {"tensor_shape_mismatch"}


def test_metadata_tells_the_smallest_shape(product: Any, series: str, is_told: bool) -> None:
    told = product.http.get(f"/v2/models/{series}").json()

    assert told["inputs"] == [{"name": "series", "datatype": "FP32", "shape": [-1, -1, 3]}]
    assert told.get("parameters") == ({"min_shapes": {"series": [1, SHORTEST, 3]}} if is_told else None)
