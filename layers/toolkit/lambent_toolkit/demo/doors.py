"""Steps 5 and 6: predictions through HTTP and through uploads."""

from __future__ import annotations

import json
from statistics import median
from time import perf_counter
from typing import Any

import httpx
from rich.columns import Columns
from rich.text import Text

from lambent.contracts.model import Classification
from lambent_toolkit.cli.tables import plain_table
from lambent_toolkit.cli.watch import ConsoleWatcher
from lambent_toolkit.demo.pictures import TestDigit, draw, golden_digits
from lambent_toolkit.demo.stage import DemoFailed, Stage
from lambent_toolkit.modelkit.recipes import digits

_WARM_CALLS = 30
_UPLOADS = 5
_UPLOAD_LIMIT_S = 120
_TOLERANCE = 1e-5  # answers carry six decimals


def predict_over_http(stage: Stage) -> None:
    """Step 5: one digit as a PNG file, and the same as an Open Inference Protocol tensor."""
    digit = _digits(stage)[0]
    first, first_ms = _timed(lambda: _send_png(stage, digit))
    stage.check(first.is_success, f"POST /models/{stage.model_name}/predict answers 200", got=first.text)
    media, _ = _timed(lambda: _send_png(stage, digit))
    prediction = media.json()["predictions"][0]
    _show_prediction(stage, digit, media, prediction)
    stage.check(prediction["label"] == digit.label, f"the answer is right: {digit.label}", got=prediction)
    stage.check(
        abs(prediction["score"] - digit.confidence) < _TOLERANCE,
        "its score is the one that the evaluation measured, at the contract's temperature",
        got=prediction["score"],
    )
    oip = stage.http.post(f"/v2/models/{stage.model_name}/infer", json=_oip_request(digit))
    stage.check(oip.is_success, f"POST /v2/models/{stage.model_name}/infer answers 200", got=oip.text)
    scores = oip.json()["outputs"][0]["data"]
    stage.check(
        max(abs(got - want) for got, want in zip(scores, digit.scores.tolist(), strict=True)) < _TOLERANCE,
        "the Open Inference Protocol tensor gives the model's ten scores as they are",
        got=scores,
    )
    warm_ms = median(_timed(lambda: _send_png(stage, digit))[1] for _ in range(_WARM_CALLS))
    stage.say(
        f"first call {first_ms:.0f} ms with the start of the function, then {warm_ms:.1f} ms (p50 of {_WARM_CALLS})"
    )
    stage.figures["HTTP, first call → warm p50"] = f"{first_ms:.0f} ms → {warm_ms:.1f} ms"


def predict_uploads(stage: Stage) -> None:
    """Step 6: files put into the inbox come out as JSON objects beside it."""
    sent = {f"{digit.name}.png": digit for digit in _digits(stage)[:_UPLOADS]}
    start = perf_counter()
    for name, digit in sent.items():
        stage.put(f"inbox/{stage.tenant}/{stage.model_name}/{name}", digit.picture)
    stage.say(f"put {len(sent)} PNG files to inbox/{stage.tenant}/{stage.model_name}/")
    results: dict[str, Any] = {}
    with ConsoleWatcher(stage.console) as watcher:
        watcher.begin("wait for the results", total=len(sent))
        for name in sent:
            key = f"results/{stage.tenant}/{stage.model_name}/{name}.json"
            body = stage.wait_for(lambda key=key: stage.get(key), what=key, limit_s=_UPLOAD_LIMIT_S)  # type: ignore[misc]
            results[name] = json.loads(body)
            watcher.advance(f"{name}.json")
    took_s = perf_counter() - start
    _show_results(stage, sent, results)
    stage.check(
        all(results[name]["label"] == digit.expected for name, digit in sent.items()),
        f"all {len(sent)} results are what the published file answers, after {took_s:.1f} s",
        got=results,
    )
    stage.figures[f"{len(sent)} uploads → results"] = f"{took_s:.1f} s"


def _digits(stage: Stage) -> list[TestDigit]:
    """Return one held-out digit of each kind, those that the published file reads rightly first."""
    spec = stage.model.contract.postprocessing
    if not isinstance(spec, Classification):
        raise DemoFailed(f"{stage.model_name} is no classifier")
    found = golden_digits(stage.model.files["golden.npz"], spec)
    return sorted(found, key=lambda digit: (digit.expected != digit.label, digit.label))


def _send_png(stage: Stage, digit: TestDigit) -> httpx.Response:
    return stage.http.post(
        f"/models/{stage.model_name}/predict?top_k=3", content=digit.picture, headers={"content-type": "image/png"}
    )


def _oip_request(digit: TestDigit) -> dict[str, Any]:
    spec = digits.CONTRACT.inputs[0]
    data = digit.tensor.ravel().tolist()
    return {"inputs": [{"name": spec.name, "shape": [1, *spec.shape[1:]], "datatype": spec.datatype, "data": data}]}


def _show_prediction(stage: Stage, digit: TestDigit, answer: httpx.Response, prediction: dict[str, Any]) -> None:
    lines = Text()
    lines.append(f"{digit.name}.png, {len(digit.picture)} bytes, a handwritten {digit.label}\n\n", style="dim")
    lines.append("model          ").append(f"{answer.headers['lambent-model']}\n", style="bold")
    lines.append("label          ").append(f"{prediction['label']}\n", style="bold green")
    lines.append("score          ").append(f"{prediction['score']:.3f}\n", style="bold")
    runners_up = [f"{other['label']} ({other['score']:.3f})" for other in prediction["top"][1:]]
    lines.append(f"then           {', '.join(runners_up)}\n")
    lines.append("Server-Timing\n")
    for entry in answer.headers["server-timing"].split(", "):
        name, _, milliseconds = entry.partition(";dur=")
        lines.append(f"  {name:<13}{float(milliseconds):8.3f} ms\n", style="dim")
    picture = draw(digit.tensor, is_terminal=stage.console.is_terminal)
    stage.show(Columns([picture, lines], padding=(0, 3)))


def _show_results(stage: Stage, sent: dict[str, TestDigit], results: dict[str, Any]) -> None:
    table = plain_table("result", "written", "read as", "score", "model@version", right=(3,))
    for name, digit in sent.items():
        result = results[name]
        is_right = result["label"] == digit.label
        said = Text(result["label"], "green" if is_right else "red")
        table.add_row(
            f"results/{stage.tenant}/{stage.model_name}/{name}.json",
            digit.label,
            said,
            f"{result['score']:.3f}",
            f"{result['model']}@{result['version']}",
        )
    stage.show(table)


def _timed(call: Any) -> tuple[Any, float]:
    start = perf_counter()
    answer = call()
    return answer, (perf_counter() - start) * 1000
