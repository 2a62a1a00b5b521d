"""Every kind of input of a batch, through the queue door and the inbox, on the local stack."""

from __future__ import annotations

import csv
import json
from base64 import b64encode
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
import pytest

from lambent.contracts.batch_request import OutputOptions
from lambent.contracts.parts import decode_part

TENANT = "kinds"
HOME = f"inputs/{TENANT}"
PARQUET = OutputOptions(format="parquet")


def zipped(pictures: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, png in pictures.items():
            archive.writestr(name, png)
    return buffer.getvalue()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    buffer = StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]], folder: Path) -> bytes:
    (folder / "rows.json").write_text(json.dumps(rows))
    with duckdb.connect() as database:
        database.execute(f"COPY (FROM '{folder}/rows.json') TO '{folder}/rows.parquet' (FORMAT parquet)")
    return (folder / "rows.parquet").read_bytes()


@pytest.fixture(scope="module")
def pictures(product: Any) -> dict[str, bytes]:
    return {f"{index}.png": png for index, (png, _) in enumerate(product.pictures[:3])}


@pytest.fixture(scope="module")
def inputs(product: Any, wine: Any, pictures: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Write an input of each kind; return the requests for them, by name: model, input, ids."""
    root = f"s3://{product.data}/{HOME}"
    rows = [json.loads(item) for item in wine.golden.raw[:3]]
    images = [{"id": name, "image": {"b64": b64encode(png).decode()}} for name, png in pictures.items()]
    for name, png in pictures.items():
        product.put(f"{HOME}/p/{name}", png)
    product.put(f"{HOME}/p/", b"")
    product.put(f"{HOME}/items.jsonl", b"\n".join(json.dumps(image).encode() for image in images))
    product.put(f"{HOME}/all.zip", zipped(pictures))
    product.put(f"{HOME}/uris.csv", as_csv([{"id": name, "uri": f"p/{name}"} for name in pictures]))
    product.put(f"{HOME}/rows.csv", as_csv([{"name": f"r{index}", **row} for index, row in enumerate(rows)]))
    product.put(f"{HOME}/rows.parquet", as_parquet(rows, tmp_path_factory.mktemp("tables")))
    names, numbers = list(pictures), ["1", "2", "3"]
    return {
        "jsonl": ("digits", {"uri": f"{root}/items.jsonl"}, names),
        "inline": ("digits", {"items": images}, names),
        "prefix": ("digits", {"prefix": f"{root}/p/"}, names),
        "zip": ("digits", {"uri": f"{root}/all.zip"}, names),
        "csv": ("digits", {"uri": f"{root}/uris.csv"}, names),
        "csv-rows": ("wine", {"uri": f"{root}/rows.csv", "id_column": "name"}, ["r0", "r1", "r2"]),
        "parquet-rows": ("wine", {"uri": f"{root}/rows.parquet"}, numbers),
    }


def lines(product: Any, job_id: str) -> list[dict[str, Any]]:
    parts = sorted(product.keys(f"jobs/{TENANT}/{job_id}/part-"))
    return [line for key in parts for line in decode_part(product.read(key), PARQUET)]


def test_an_input_of_each_kind_ends_in_a_result_an_item_as_parquet(product: Any, wine: Any, inputs: dict) -> None:
    for name, (model, source, _) in inputs.items():
        asked = {"schema_version": 1, "id": name, "model": model, "input": source, "lane": "cpu"}
        product.send_batch(json.dumps({**asked, "output": {"format": "parquet"}}), tenant=TENANT)
    jobs = {name: product.wait_for_job(name, TENANT) for name in inputs}

    told = {name: (job["state"], job["total"], job["error"]) for name, job in jobs.items()}
    assert told == dict.fromkeys(inputs, ("SUCCEEDED", 3, None))
    assert "markers of folders passed over: 1" in jobs["prefix"]["why"]
    for name, (model, _, ids) in inputs.items():
        found = lines(product, name)
        assert [line["id"] for line in found] == ids, name
        if model == "wine":
            assert [line["label"] for line in found] == wine.labels[:3]
    answers = {name: [line["label"] for line in lines(product, name)] for name in ("jsonl", "inline", "prefix", "zip")}
    assert len(set(map(tuple, answers.values()))) == 1


def test_what_failed_is_repeated_by_a_job_of_its_own(product: Any, pictures: dict[str, bytes]) -> None:
    product.put(f"{HOME}/some.zip", zipped({"0.png": pictures["0.png"], "bad.png": b"no picture"}))
    asked = {"schema_version": 1, "model": "digits", "lane": "cpu"}
    zipped_input = {"uri": f"s3://{product.data}/{HOME}/some.zip"}

    product.send_batch(json.dumps({**asked, "id": "some", "input": zipped_input}), tenant=TENANT)
    assert product.wait_for_job("some", TENANT)["state"] == "PARTIAL"
    product.send_batch(json.dumps({**asked, "id": "again", "input": {"failed_of": "some"}}), tenant=TENANT)
    again = product.wait_for_job("again", TENANT)

    assert (again["state"], again["total"], again["failed"]) == ("FAILED", 1, 1)
    assert b'"bad.png"' in product.read(f"jobs/{TENANT}/again/errors.jsonl")


@pytest.mark.parametrize("name", ["all day.zip", "uris.csv"])
def test_a_batch_put_into_the_inbox_is_a_job_that_its_result_object_names(
    product: Any, inputs: dict, pictures: dict[str, bytes], name: str
) -> None:
    uris = [{"uri": f"s3://{product.data}/{HOME}/p/{picture}"} for picture in pictures]

    product.put(f"inbox/{TENANT}/digits/{name}", zipped(pictures) if name.endswith("zip") else as_csv(uris))
    told = product.wait_for_json(f"results/{TENANT}/digits/{name}.json")
    job = product.wait_for_job(told["job"]["id"], TENANT)

    assert (told["source"], job["state"], job["done"]) == (name, "SUCCEEDED", 3)
    assert product.keys(told["job"]["files"] + "part-") != []
