"""Reads what became of every request of a soak, and holds it against what was sent."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from driver import Driver, dead_letter_queues, upload_key
from traffic import ENVELOPE, ITEMS_OF_A_BATCH, TENANT, Request

from lambent.contracts.lines import decode_lines
from lambent_toolkit.sandbox import StackInfo

_NAME = re.compile(r"s\d+-\d{6}")
_READERS = 8


@dataclass
class Reckoning:
    """Names of requests by what is wrong with them; all empty when every promise held.

    Parameters
    ----------
    lost             accepted, and without an outcome
    double           with two outcomes, or results that differ
    wrong            good, and answered wrongly or with an error
    untold           poison without a recorded failure at its own address
    not_dead         poison that the dead-letter queues do not hold
    dead             good, and in a dead-letter queue
    repeated         good, and executed more than twice because of a neighbour
    """

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    not_dead: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return how many there are of each."""
        return {name: len(names) for name, names in vars(self).items()}


class Ledger:
    """Outcomes in the store of one stack."""

    def __init__(self, stack: StackInfo, driver: Driver, labels: list[str]) -> None:
        self._data = stack.buckets["data"]
        self._stack, self._driver, self._labels = stack, driver, labels
        self._results: set[str] = set()
        self._why: dict[str, str] = {}
        # Why a message lies in a dead-letter queue, by the request that it is about.
        self.reasons: dict[str, str] = {}

    def reckon(self, requests: list[Request]) -> Reckoning:
        """Look at every request's outcome, once nothing moves any more."""
        found, dead = Reckoning(), self._dead_letters()
        self.reasons = {request.name: self._why[request.name] for request in requests if request.name in self._why}
        self._results = self._keys("results/")
        with ThreadPoolExecutor(_READERS) as pool:
            outcomes = list(pool.map(self._outcome, requests))
        for request, outcome in zip(requests, outcomes, strict=True):
            if request.poison != ENVELOPE:
                self._enter(found, request, outcome)
            is_dead = dead[request.name] > 0
            if request.poison is None and is_dead:
                found.dead.append(request.name)
            # A poisonous item of a batch fails alone; its shard's message has done its work.
            if request.poison is not None and request.door != "batch" and not is_dead:
                found.not_dead.append(request.name)
        return found

    def _enter(self, found: Reckoning, request: Request, outcome: _Outcome) -> None:
        if not outcome.answers:
            found.lost.append(request.name)
        elif len(outcome.answers) > 1:
            found.double.append(request.name)
        elif request.poison is not None:
            if outcome.answers[0] != self._poisoned(request):
                found.untold.append(request.name)
        elif outcome.answers[0] != self._right(request):
            found.wrong.append(request.name)

    def _right(self, request: Request) -> str:
        if request.door != "batch":
            return self._labels[request.picture]
        return ",".join(self._labels[(request.picture + n) % len(self._labels)] for n in range(ITEMS_OF_A_BATCH))

    def _poisoned(self, request: Request) -> str:
        if request.door != "batch":
            return "error"
        labels = self._right(request).split(",")
        labels[ITEMS_OF_A_BATCH // 2] = "error"
        return ",".join(labels)

    def _outcome(self, request: Request) -> _Outcome:
        if request.door == "upload":
            return self._of_upload(request.name)
        job_id = self._driver.sent.jobs.get(request.name)
        if job_id is None:
            return _Outcome([])
        return self._of_call(job_id) if request.door == "call" else self._of_batch(job_id)

    def _of_upload(self, name: str) -> _Outcome:
        stem = upload_key(name).replace("inbox/", "results/", 1)
        answers = [json.loads(self._read(f"{stem}.json"))["label"]] if f"{stem}.json" in self._results else []
        answers += ["error"] if f"{stem}.error.json" in self._results else []
        return _Outcome(answers)

    def _of_call(self, job_id: str) -> _Outcome:
        row = self._row(job_id)
        if row is None or row["state"]["S"] not in ("SUCCEEDED", "FAILED"):
            return _Outcome([])
        if row["state"]["S"] == "FAILED":
            return _Outcome(["error"])
        outcome = json.loads(self._read(f"jobs/{TENANT}/{job_id}/outcome.json"))
        return _Outcome([json.loads(self._read(outcome["answer"]["body_key"]))["predictions"][0]["label"]])

    def _of_batch(self, job_id: str) -> _Outcome:
        row = self._row(job_id)
        if row is None or row["state"]["S"] not in ("SUCCEEDED", "PARTIAL", "FAILED"):
            return _Outcome([])
        prefix = f"jobs/{TENANT}/{job_id}/"
        manifest = json.loads(self._read(f"{prefix}manifest.json"))
        lines = [line for part in manifest["parts"] for line in decode_lines(self._read(prefix + part["file"]))]
        by_id = {line["id"]: line for line in lines}
        if len(by_id) != len(lines) or manifest["state"] != row["state"]["S"]:
            return _Outcome(["two lines of one item, or two states", "double"])
        return _Outcome([",".join(str(by_id.get(f"i{n}", {}).get("label", "error")) for n in range(ITEMS_OF_A_BATCH))])

    def _row(self, job_id: str) -> dict[str, Any] | None:
        key = {"pk": {"S": f"JOB#{TENANT}#{job_id}"}, "sk": {"S": "JOB"}}
        row: dict[str, Any] | None = self._driver.dynamodb.get_item(TableName=self._stack.table, Key=key).get("Item")
        return row

    def _read(self, key: str) -> bytes:
        body: bytes = self._driver.s3.get_object(Bucket=self._data, Key=key)["Body"].read()
        return body

    def _keys(self, prefix: str) -> set[str]:
        pages = self._driver.s3.get_paginator("list_objects_v2").paginate(Bucket=self._data, Prefix=prefix)
        return {each["Key"] for page in pages for each in page.get("Contents", [])}

    def _dead_letters(self) -> Counter[str]:
        """Return how many messages the dead-letter queues hold by the request that they are about."""
        found: Counter[str] = Counter()
        for queue, url in dead_letter_queues(self._stack).items():
            while messages := self._driver.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3600, MessageAttributeNames=["All"]
            ).get("Messages"):
                for message in messages:
                    named = set(self._named(message["Body"]))
                    found.update(named)
                    told = message.get("MessageAttributes", {})
                    why = ": ".join(told[each]["StringValue"] for each in ("reason_code", "reason") if each in told)
                    self._why.update(dict.fromkeys(named, f"{queue}: {why}"))
        return found

    def _named(self, body: str) -> list[str]:
        return _NAME.findall(body) or [name for name, job in self._driver.sent.jobs.items() if f'"{job}"' in body]


@dataclass(frozen=True)
class _Outcome:
    """What a request's owner finds: labels, or the word error; more than one entry is one too many."""

    answers: list[str]
