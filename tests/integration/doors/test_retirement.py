"""A version that a running job uses is not retired, by the command that a person types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from typer.testing import CliRunner, Result

from lambent_toolkit.cli.main import app
from lambent_toolkit.modelkit.artifact import Artifact
from lambent_toolkit.modelkit.demo_model import build_demo_model, default_cache_dir
from lambent_toolkit.modelkit.publishing import Publisher
from patience import wait_for

MODEL, TENANT, JOB = "in-use", "retirement", "keeps-its-version"
REFUSED = 20


def test_retire_is_refused_while_a_job_runs_on_the_version_and_works_once_it_has_ended(product: Any) -> None:
    publish_without_label(product)
    manifest = product.put_batch(TENANT, JOB, [png for png, _ in product.pictures[:50]])
    request = {"schema_version": 1, "id": JOB, "model": MODEL, "version": "1", "lane": "gpu"}
    product.send_batch(json.dumps(request | {"input": {"manifest_uri": manifest}}), tenant=TENANT)

    wait_for(lambda: (product.job(JOB, TENANT) or {}).get("state") == "RUNNING", what="the job")
    refused = retire(product)
    state_then = product.job(JOB, TENANT)["state"]
    ended = product.wait_for_job(JOB, TENANT)
    retired = wait_for(lambda: found if (found := retire(product)).exit_code == 0 else None, what="retirement")

    assert (refused.exit_code, state_then) == (REFUSED, "RUNNING"), refused.output
    assert "version_in_use" in refused.stderr
    assert f"job {JOB} of {TENANT} (RUNNING)" in refused.stderr
    assert (ended["state"], ended["done"]) == ("SUCCEEDED", 50)
    assert f"{MODEL}@1 is retired" in retired.output


def publish_without_label(product: Any) -> None:
    artifact = build_demo_model(default_cache_dir())
    declared = msgspec.structs.replace(artifact.contract, name=MODEL)
    Publisher(product.info).publish(Artifact(declared, artifact.report, artifact.files))


def retire(product: Any) -> Result:
    state = Path(product.info.logs).parent
    return CliRunner().invoke(app, ["retire", MODEL, "1", "--why", "too old", "--state", str(state)])
