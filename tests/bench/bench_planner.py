"""What the planner expected of real jobs on the local stack and what they took: twice on each lane.

The first job of a lane is planned by what was measured when the model was made (the GPU lane by nothing: Keras was
measured on a processor), the second by what the first has shown. The times are this machine's; the planner's constants
for fetching and starting are AWS's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness import demo_stack

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.demo.batch import upload_items
from lambent_toolkit.demo.stage import Stage
from lambent_toolkit.jobs.client import Door, JobsClient
from lambent_toolkit.jobs.watching import job_until_its_end
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES

# Long enough to be observed: half a minute of work.
ITEMS = {"cpu": 6_000, "gpu": 3_000}
MANIFEST = "inputs/default/planner.jsonl"


def main() -> None:
    """Run the jobs one after the other and print the table."""
    console = screen()
    compared = ("busy", "expected", "ratio", "takes", "expected", "ratio", "USD", "expected")
    table = plain_table("job", "planned by", *compared, right=tuple(range(2, 10)))
    with demo_stack() as stack:
        stage = Stage(console, stack, Path())
        few = upload_items(stage, held_out(RECIPES["digits"]))
        with JobsClient(Door(stack.url, stack.api_key)) as client:
            for lane, items in ITEMS.items():
                manifest = repeat(stack, few, items)
                for number in (1, 2):
                    table.add_row(*row(run(client, f"planner-{lane}-{number}", manifest, lane=lane)))
    console.print(table)


def repeat(stack: Any, manifest_uri: str, items: int) -> str:
    """Write a manifest of so many items, of which each is one of a few pictures; return its address."""
    s3, bucket = stack.client("s3"), stack.buckets["data"]
    body = s3.get_object(Bucket=bucket, Key=manifest_uri.removeprefix(f"s3://{bucket}/"))["Body"].read()
    uris = [json.loads(line)["uri"] for line in body.splitlines()]
    lines = [json.dumps({"id": f"i{number:06d}", "uri": uris[number % len(uris)]}) for number in range(items)]
    s3.put_object(Bucket=bucket, Key=MANIFEST, Body="\n".join(lines).encode())
    return f"s3://{bucket}/{MANIFEST}"


def run(client: JobsClient, job_id: str, manifest_uri: str, *, lane: str) -> dict[str, Any]:
    """Run one job to its end; stops the benchmark unless all items succeeded."""
    request = {"schema_version": 1, "id": job_id, "model": "digits", "lane": lane, "priority": 9}
    client.submit({**request, "input": {"manifest_uri": manifest_uri}})
    *_, job = job_until_its_end(client, job_id, every_s=1.0)
    if job["state"] != "SUCCEEDED":
        raise SystemExit(f"job {job_id} ended {job['state']} with {job['failed']} failed items: {job['error']}")
    return job


def row(job: dict[str, Any]) -> list[str]:
    """Return what a job took beside what was expected of it."""
    receipt, estimate = job["receipt"], job["estimate"]
    (lane,) = (each for each in estimate["lanes"] if each["lane"] == job["lane"])
    source = lane["throughput"]["source"] if lane["throughput"] else "nothing"
    return [
        job["id"],
        source,
        f"{receipt['busy_s']:.1f} s",
        *against(receipt["busy_s"], receipt["estimated_busy_s"], " s", ".1f"),
        f"{receipt['seconds']:.1f} s",
        *against(receipt["seconds"], receipt["estimated_seconds"], " s", ".1f"),
        f"{receipt['usd']:.5f}",
        "" if receipt["estimated_usd"] is None else f"{receipt['estimated_usd']:.5f}",
    ]


def against(actual: float, expected: float | None, unit: str, form: str) -> tuple[str, str]:
    """Return what was expected, and actual by expected."""
    return ("", "") if expected is None else (f"{expected:{form}}{unit}", f"{actual / expected:.2f}")


if __name__ == "__main__":
    main()
