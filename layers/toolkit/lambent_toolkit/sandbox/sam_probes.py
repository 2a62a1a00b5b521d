"""One event for every function, and whether what it answered shows a function that has started and does its work.

`sam local invoke` ends with 0 whatever a function answers, so that a module which cannot be imported in AWS's image, or
a shared library which wants a newer system, shows in the answer only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambent_toolkit.sandbox.sam_local import FUNCTION


@dataclass(frozen=True)
class Probe:
    """An event and what its answer must be.

    Parameters
    ----------
    event : str                name of a file in events/
    statuses : tuple of int    HTTP statuses that are right; none for a function without HTTP
    """

    event: str
    statuses: tuple[int, ...] = ()


# `sam local` passes no API key's tenant on, so that what needs one is refused; the refusal is the function's own.
PROBES = {
    "PredictFunction": Probe("predict.png.json", (200,)),
    "JobsFunction": Probe("jobs.models.json", (200, 401, 403)),
    "SortFunction": Probe("sort.not_json.json"),
    "PreprocessFunction": Probe("preprocess.not_an_image.json"),
    "InferFunction": Probe("infer.malformed.json"),
    "DispatchFunction": Probe("dispatch.not_json.json"),
    "JobEventsFunction": Probe("job_events.foreign.json"),
    "NotifyFunction": Probe("notify.malformed.json"),
    "SweepFunction": Probe("sweep.schedule.json"),
}


def unprobed(template: Mapping[str, Any]) -> set[str]:
    """Return the functions of a template that no probe is for."""
    return {name for name, each in template["Resources"].items() if each.get("Type") == FUNCTION and name not in PROBES}


def fault_of(probe: Probe, output: str) -> str | None:
    """Return what is wrong with what `sam local invoke` printed, None if nothing is.

    Parameters
    ----------
    probe : Probe
    output : str    standard output, whose last line is the function's answer as JSON
    """
    lines = output.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return f"no answer in JSON: {lines[-1][:200]}"
    if not lines:
        return "no answer"
    if isinstance(answer, dict) and "errorType" in answer:
        return f"{answer['errorType']}: {answer.get('errorMessage', 'no message')}"
    if not probe.statuses:
        return None
    status = answer.get("statusCode") if isinstance(answer, dict) else None
    if status in probe.statuses:
        return None
    return f"status {status} instead of {' or '.join(map(str, probe.statuses))}: {str(answer)[:300]}"
