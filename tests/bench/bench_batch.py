"""300 images through the batch door, from the message to the job's end, on either lane; medians."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter

from harness import demo_stack

from lambent_toolkit.cli.screen import screen
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.demo.batch import ITEMS, batch_request, send_request, upload_items, watch_job
from lambent_toolkit.demo.stage import Stage
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES

ROUNDS = {"cpu": 5, "gpu": 3}


def main() -> None:
    """Run the jobs one after the other and print the table."""
    console = screen()
    with demo_stack() as stack:
        stage = Stage(console, stack, Path())
        manifest_uri = upload_items(stage, held_out(RECIPES["digits"]))
        taken_s = {
            lane: [run(stage, f"bench-{lane}-{number}", manifest_uri, lane=lane) for number in range(rounds)]
            for lane, rounds in ROUNDS.items()
        }
    table = plain_table("lane", "jobs", "median", "images/s", "first", right=(1, 2, 3, 4))
    for lane, times_s in taken_s.items():
        middle = median(times_s)
        cells = (f"{middle:.1f} s", f"{ITEMS / middle:.0f}", f"{times_s[0]:.1f} s")
        table.add_row(lane, str(len(times_s)), *cells)
    console.print(table)


def run(stage: Stage, job_id: str, manifest_uri: str, *, lane: str) -> float:
    """Run one job and return its seconds; stops the benchmark unless all items succeeded."""
    start = perf_counter()
    send_request(stage, batch_request(stage, job_id, manifest_uri, lane=lane))
    job = watch_job(stage, job_id)
    taken_s = perf_counter() - start
    if (job["state"], job["done"]) != ("SUCCEEDED", ITEMS):
        raise SystemExit(f"job {job_id} ended {job['state']} with {job['done']} of {ITEMS} items")
    return taken_s


if __name__ == "__main__":
    main()
