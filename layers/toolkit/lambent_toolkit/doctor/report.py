"""The report of a check-up: one file that can be sent to others, since it holds no secrets."""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lambent_toolkit.doctor.findings import Result, Status
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.stacks.errors import StackError

EXIT_CODES = {Status.FAILED: 160, Status.UNKNOWN: 161}
# What is taken out of every text, and what stands in its place.
_SECRETS = (
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{12,}\b"), "(access key)"),
    (re.compile(r"(X-Amz-[A-Za-z-]+)=[^&\s\"']+", re.IGNORECASE), r"\1=…"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), "(webhook secret)"),
    (re.compile(r"[^\s@\"'<>:/]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"), "(e-mail address)"),
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "(account)"),
)
# Parameters whose words say nothing of who runs the stack; numbers say nothing either, and others are not told.
_HARMLESS = frozenset(
    {
        "AccessLog",
        "Architecture",
        "DashboardEnabled",
        "GpuEnabled",
        "GpuInstanceTypes",
        "Interpreter",
        "LogLevel",
        "MethodMetrics",
        "PythonVersion",
        "Stage",
        "WorkerBackend",
    }
)
_NUMBER = re.compile(r"\d{1,11}")


def report(patient: Patient, results: Sequence[Result], *, at: str) -> dict[str, Any]:
    """Return what was found, with the versions of what found it; account ids, addresses and keys are taken out.

    Parameters
    ----------
    at   when, RFC 3339
    """
    stack = patient.stack
    counts = Counter(each.finding.status for each in results)
    return {
        "schema_version": 1,
        "at": at,
        "stack": {"region": stack.region, "is_local": stack.is_local, "parameters": _parameters(patient)},
        "made_by": {
            "lambent": version("lambent"),
            "boto3": version("boto3"),
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
            "machine": platform.machine(),
        },
        "counts": {status.value: counts.get(status, 0) for status in Status},
        "checks": [
            {
                "name": each.name,
                "group": each.group,
                "status": each.finding.status.value,
                "took_ms": round(each.took_s * 1000),
                "told": _harmless(patient, each.finding.told),
                "mend": _harmless(patient, each.finding.mend),
            }
            for each in results
        ],
    }


def write_report(path: Path, found: dict[str, Any]) -> None:
    """Write a report as JSON."""
    path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def exit_code(results: Sequence[Result]) -> int:
    """Return 160 if a check failed, 161 if one could not look, else 0."""
    statuses = {each.finding.status for each in results}
    return next((code for status, code in EXIT_CODES.items() if status in statuses), 0)


def _parameters(patient: Patient) -> dict[str, str] | None:
    """Return the parameters that anybody may know; None where these credentials may not read them."""
    try:
        found = patient.parameters
    except StackError:
        return None
    return {name: value for name, value in found.items() if name in _HARMLESS or _NUMBER.fullmatch(value)}


def _harmless(patient: Patient, text: str) -> str:
    try:
        key = patient.stack.api_key
    except StackError:  # a key that cannot be read cannot be told
        key = ""
    text = text.replace(key, "(key)") if key else text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
