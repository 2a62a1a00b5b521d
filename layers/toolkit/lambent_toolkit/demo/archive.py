"""Step 8: an uploaded archive is a batch; what failed in it is named, and retried alone."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from rich.markup import escape

from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.demo.batch import watch_job
from lambent_toolkit.demo.stage import DemoFailed, Stage
from lambent_toolkit.modelkit.recipe import held_out
from lambent_toolkit.modelkit.recipes import RECIPES

PICTURES = 48
_BROKEN = {"scan-17.png": b"this is no picture", "scan-31.png": b"nor is this"}
_NAME = "scans.zip"
_LIMIT_S = 120


def predict_archive(stage: Stage) -> None:
    """Step 8: a zip of 48 pictures and two that are none."""
    stage.put(f"inbox/{stage.tenant}/{stage.model_name}/{_NAME}", _archive())
    key = f"results/{stage.tenant}/{stage.model_name}/{_NAME}.json"
    told = json.loads(stage.wait_for(lambda: stage.get(key), what=key, limit_s=_LIMIT_S))
    job = watch_job(stage, told["job"]["id"], total=PICTURES + len(_BROKEN))
    errors = _json(stage, "GET", f"{told['job']['path']}/errors")["errors"]
    table = plain_table("line", "id", "code", "why", right=(0,))
    table.columns[3].no_wrap = False
    for error in errors:
        table.add_row(str(error["line"]), error["id"], error["code"], error["detail"])
    stage.show(table)
    receipt = job["receipt"]
    stage.say(f"[dim]{escape(job['why'])}[/]")
    stage.say(f"receipt: {receipt['busy_s']:.2f} s of work, {receipt['gb_seconds']:.2f} GB-s, {receipt['usd']:.6f} USD")
    stage.check(
        (job["state"], job["done"], sorted(error["id"] for error in errors)) == ("PARTIAL", PICTURES, sorted(_BROKEN)),
        f"PARTIAL: {PICTURES} results, and exactly the {len(_BROKEN)} bad pictures are named",
        got=job,
    )
    retried = watch_job(stage, _json(stage, "POST", f"{told['job']['path']}/retry")["id"], total=len(_BROKEN))
    stage.check(
        (retried["parent"], retried["total"], retried["version"]) == (job["id"], len(_BROKEN), job["version"]),
        f"a retry repeats what failed, {retried['total']} items, on the same version",
        got=retried,
    )


def _archive() -> bytes:
    pictures = held_out(RECIPES["digits"]).items[:PICTURES]
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for number, picture in enumerate(pictures, start=100):
            archive.writestr(f"scan-{number}.png", picture)
        for name, body in _BROKEN.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def _json(stage: Stage, method: str, path: str) -> dict[str, Any]:
    answer = stage.http.request(method, path)
    if not answer.is_success:
        raise DemoFailed(f"{method} {path} answered {answer.status_code}: {answer.text}")
    body: dict[str, Any] = answer.json()
    return body
