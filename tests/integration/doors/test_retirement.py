"""A version that a running job uses is not retired, by the command that a person types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from lambent.contracts.jobs import ShardItem
from lambent_toolkit.cli.main import app
from patience import wait_for

MODEL, TENANT, JOB = "in-use", "retirement", "keeps-its-version"
REFUSED = 20


def test_retire_is_refused_while_a_job_runs_on_the_version_and_works_once_it_has_ended(product: Any) -> None:
    product.publish_as(MODEL, label=None)
    items = [ShardItem(id=f"i{place}", line=place + 1, data=product.seven) for place in range(2)]
    product.plan_job(TENANT, JOB, items, lane="cpu", model=MODEL)

    # The first shard lets the job run, and its end waits for the second one, which is sent below.
    product.send_shard(TENANT, JOB, 0)
    wait_for(lambda: product.job(JOB, TENANT)["done"] == 1, what="the first shard")
    refused = retire(product)
    state_then = product.job(JOB, TENANT)["state"]
    product.send_shard(TENANT, JOB, 1)
    ended = product.wait_for_job(JOB, TENANT)
    retired = wait_for(lambda: found if (found := retire(product)).exit_code == 0 else None, what="retirement")

    assert (refused.exit_code, state_then) == (REFUSED, "RUNNING"), refused.output
    assert "version_in_use" in refused.stderr
    assert f"job {JOB} of {TENANT} (RUNNING)" in refused.stderr
    assert (ended["state"], ended["done"]) == ("SUCCEEDED", 2)
    assert f"{MODEL}@1 is retired" in retired.output


def retire(product: Any) -> Result:
    state = Path(product.info.logs).parent
    return CliRunner().invoke(app, ["retire", MODEL, "1", "--why", "too old", "--state", str(state)])
