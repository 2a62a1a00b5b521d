"""A deployed stack, by ``--stack NAME``, with a model of this run's own; see README.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from uuid import uuid4

import pytest
from msgspec import structs
from rich.console import Console

from lambent_toolkit.demo import making
from lambent_toolkit.demo.stage import Stage
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.publishing import Publisher
from lambent_toolkit.stacks.find import StackChoice, find_stack

PATIENCE = 6.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stack", help="Name of the deployed stack that tests/e2e runs against.")
    parser.addoption("--region", help="Its AWS Region, else the SDK's own.")
    parser.addoption("--profile", help="Profile of the AWS credentials, else the SDK's own.")


@pytest.fixture(autouse=True)
def _clean_environment() -> None:
    """Keep the AWS settings that every other test goes without: here they say which account is meant."""


@pytest.fixture(scope="session")
def stack_name(request: pytest.FixtureRequest) -> str:
    # None as well where this file was found too late to add options: in a run of the whole suite.
    name = request.config.getoption("--stack", None)
    if name is None:
        pytest.skip("no --stack NAME: these tests want a deployed stack")
    return str(name)


@pytest.fixture(scope="session")
def stage(stack_name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Return the demo's stage on that stack, with two versions of the digits model, the first of them live."""
    option = request.config.getoption
    stack = find_stack(StackChoice(name=stack_name, region=option("--region"), profile=option("--profile")))
    run = f"e2e-{uuid4().hex[:8]}"
    artifact = build_demo_model(default_cache_dir())
    folder = tmp_path_factory.mktemp("e2e")
    stage = Stage(
        Console(file=StringIO(), width=100),
        stack,
        folder,
        pages=folder,
        artifact=replace(artifact, contract=structs.replace(artifact.contract, name=run)),
        model_name=run,
        tenant=stack.outputs["DefaultTenant"],
        run=run,
        patience=PATIENCE,
    )
    try:
        making.publish(stage)
        Publisher(stack).publish(stage.model)
        yield stage
    finally:
        _clean_up(stage)


def _clean_up(stage: Stage) -> None:
    _forget_model(stage)
    _delete(stage, stage.stack.buckets["models"], f"models/{stage.model_name}/")
    data = stage.stack.buckets["data"]
    for top in ("inbox", "inputs", "results"):
        _delete(stage, data, f"{top}/{stage.tenant}/{stage.model_name}/")
    _delete(stage, data, f"jobs/{stage.tenant}/{stage.run}-")
    stage.http.close()


def _forget_model(stage: Stage) -> None:
    """Delete the model's own rows, which no verb does: a name that nobody else knows can go without a trace."""
    dynamodb, table = stage.stack.client("dynamodb"), stage.stack.table
    own = {":pk": {"S": f"MODEL#{stage.model_name}"}}
    found = dynamodb.query(TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=own)["Items"]
    keys = [{"pk": row["pk"], "sk": row["sk"]} for row in found]
    for key in [*keys, {"pk": {"S": "MODELS"}, "sk": {"S": stage.model_name}}]:
        dynamodb.delete_item(TableName=table, Key=key)


def _delete(stage: Stage, bucket: str, prefix: str) -> None:
    for page in stage.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        if found := [{"Key": entry["Key"]} for entry in page.get("Contents", [])]:
            stage.s3.delete_objects(Bucket=bucket, Delete={"Objects": found})
