"""Soak: thousands of requests under faults of every kind, each with exactly one outcome.

    .venv/bin/python tests/soak/soak_requests.py --seed 1 --requests 10000

Prints one row a seed; ends with 1 if a promise broke. `README.md` beside it says what the faults are.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chaos_root import ROOT, make_root, make_state
from driver import Driver, depth, freeze_storage
from ledger import Ledger
from traffic import TENANT, Request, make_traffic

from lambent_toolkit.demo.local import own_stack
from lambent_toolkit.modelkit.demo_model import publish_demo_model
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.sandbox import StackInfo

# On the file system of the build, most of which is linked and not copied.
FOLDER = ROOT / ".lambent" / "soak"
_PICTURES = 20
_LOOK_EVERY_S = 1.0
# Empty queues and closed jobs, so often in a row, are the end.
_QUIET_LOOKS = 4
_EXECUTIONS = 2
_QUEUES = ("upload", "preprocess", "infer", "batch")
_UNTHROTTLED = {"RequestsPerSecond": "10000", "RequestBurst": "5000", "JobStuckAfterSeconds": "60"}


@dataclass(frozen=True)
class Soak:
    """Numbers of one run.

    Parameters
    ----------
    kill, throttle, timeout, api_5xx   parts of the requests that meet a fault
    poison, duplicates                 parts of the requests that are such
    freeze_s                           for which the storage stands still, when a third is sent
    time_scale                         part of the functions' timeouts that is kept
    drain_s                            after the last request, by when all must have an outcome
    """

    seed: int
    requests: int = 10_000
    kill: float = 0.05
    throttle: float = 0.10
    timeout: float = 0.05
    api_5xx: float = 0.02
    poison: float = 0.01
    duplicates: float = 0.20
    freeze_s: float = 60.0
    time_scale: float = 0.5
    drain_s: float = 900.0
    keep: str = ""


def run(soak: Soak, folder: Path) -> dict[str, Any]:
    """Run one seed on a stack of its own; return what was sent, what happened and what is wrong."""
    rates = {"kill": soak.kill, "throttle": soak.throttle, "timeout": soak.timeout, "api_5xx": soak.api_5xx}
    state, root = make_state(folder, seed=soak.seed, rates=rates), make_root(folder, time_scale=soak.time_scale)
    with own_stack(root=root, parameters=_UNTHROTTLED) as stack:
        publish_demo_model(stack)
        data = held_out(RECIPES["digits"])
        driver = Driver(stack, list(data.items[:_PICTURES]))
        labels = driver.labels()
        requests = make_traffic(
            seed=soak.seed,
            requests=soak.requests,
            poison=soak.poison,
            duplicates=soak.duplicates,
            pictures=_PICTURES,
        )
        (state / "armed").touch()
        started_s = time.monotonic()
        _send(driver, stack, requests, soak.freeze_s)
        sent_s = time.monotonic() - started_s
        _drain(driver, stack, soak.drain_s)
        ledger = Ledger(stack, driver, labels)
        reckoning = ledger.reckon(requests)
        if soak.keep:
            shutil.copytree(stack.logs, soak.keep, dirs_exist_ok=True)
        executed = Counter((state / "executions.log").read_text().split())
        if not any(rates.values()):
            # Nothing but poison is about: whoever is executed a second time was a neighbour, and once is the limit.
            reckoning.repeated = [name for name in _good_uploads(requests) if executed[name] > _EXECUTIONS]
        took_s = time.monotonic() - started_s
    return {
        **asdict(soak),
        "doors": Counter(request.door for request in requests),
        "twice": sum(request.is_twice for request in requests),
        "poisonous": Counter(request.poison for request in requests if request.poison),
        "fired": Counter(mark.name.partition("@")[0] for mark in (state / "fired").iterdir()),
        "fired_in": Counter(mark.name.split("@")[1] for mark in (state / "fired").iterdir()),
        "executions": Counter(executed[name] for name in _good_uploads(requests)),
        "sent_s": round(sent_s),
        "took_s": round(took_s),
        "wrong": reckoning.counts(),
        "names": {what: names[:10] for what, names in vars(reckoning).items() if names},
        "reasons": {name: ledger.reasons.get(name) for names in vars(reckoning).values() for name in names[:10]},
    }


def _good_uploads(requests: list[Request]) -> list[str]:
    return [each.name for each in requests if each.door == "upload" and each.poison is None and not each.is_twice]


def _send(driver: Driver, stack: StackInfo, requests: list[Request], freeze_s: float) -> None:
    third = len(requests) // 3
    driver.send_all(requests[:third])
    frozen = freeze_storage(stack, freeze_s) if freeze_s else None
    driver.send_all(requests[third:])
    if frozen is not None:
        frozen.join()


def _drain(driver: Driver, stack: StackInfo, patience_s: float) -> None:
    """Wait until no queue has a message and every job has ended, or the patience does."""
    until_s, quiet = time.monotonic() + patience_s, 0
    while quiet < _QUIET_LOOKS and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
        waiting = sum(depth(driver.sqs, stack.queues[name]) for name in _QUEUES)
        quiet = quiet + 1 if waiting == 0 and not _open_jobs(driver, stack) else 0


def _open_jobs(driver: Driver, stack: StackInfo) -> int:
    pages = driver.dynamodb.get_paginator("scan").paginate(
        TableName=stack.table,
        FilterExpression="begins_with(pk, :jobs) AND sk = :job AND #state IN (:queued, :running)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":jobs": {"S": f"JOB#{TENANT}#"},
            ":job": {"S": "JOB"},
            ":queued": {"S": "QUEUED"},
            ":running": {"S": "RUNNING"},
        },
        Select="COUNT",
    )
    return sum(page["Count"] for page in pages)


def _row(done: dict[str, Any]) -> str:
    wrong = "  ".join(f"{name} {count}" for name, count in done["wrong"].items())
    fired = done["fired"]
    kills = sum(count for name, count in fired.items() if name.startswith("kill."))
    return (
        f"seed {done['seed']}: {done['requests']} requests, {done['twice']} twice, {kills} kills, "
        f"{fired['throttle']} throttles, {fired['timeout'] + fired['timeout_after']} timeouts, "
        f"{fired['api_5xx'] + fired['api_5xx_after']} x 5xx, {sum(done['poisonous'].values())} poison, "
        f"frozen {done['freeze_s']:.0f} s; {done['took_s']} s: {wrong}"
    )


def main() -> int:
    """Run the seeds that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    for name, value in asdict(Soak(seed=0)).items():
        if name != "seed":
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--told", type=Path, help="gets one line of JSON a seed")
    options = vars(parser.parse_args())
    told, is_kept = options.pop("told"), True
    for seed in options.pop("seed"):
        FOLDER.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=FOLDER) as folder:
            done = run(Soak(seed=seed, **options), Path(folder))
        print(_row(done), flush=True)
        if done["names"]:
            print(f"  {json.dumps(done['names'])}\n  {json.dumps(done['reasons'])}", flush=True)
        if told is not None:
            with told.open("a") as file:
                file.write(json.dumps(done) + "\n")
        is_kept = is_kept and not any(done["wrong"].values())
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
