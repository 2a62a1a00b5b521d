"""Make the checks, one after the other; none of them ends the others."""

from __future__ import annotations

from collections.abc import Callable, Collection

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from lambent.errors import LambentError
from lambent_toolkit.doctor.findings import Finding, Result, Status, failed, skipped
from lambent_toolkit.doctor.patient import Patient
from lambent_toolkit.doctor.registry import Check, all_checks
from lambent_toolkit.modelkit.errors import ModelkitError
from lambent_toolkit.stacks.errors import CredentialsMissing, RightMissing, StackError, told

_LONGEST = 400
_FIRST_THIS = "mend this first; the check could not look"
_MENDS: dict[type, str] = {
    RightMissing: "ask with credentials that may look, e.g. an operator's",
    CredentialsMissing: "sign in, and ask again",
}


def examine(
    patient: Patient, *, only: Collection[str] = (), tell: Callable[[Result], None] = lambda _: None
) -> list[Result]:
    """Make the checks of these names or groups, all if none is named, and tell each result as it comes."""
    results = []
    for check in all_checks():
        if only and check.name not in only and check.group not in only:
            continue
        start_s = patient.now_s()
        finding = _look(check, patient)
        result = Result(check.name, check.group, finding, took_s=patient.now_s() - start_s)
        results.append(result)
        tell(result)
    return results


def _look(check: Check, patient: Patient) -> Finding:
    try:
        why = check.why_skipped(patient)
        return skipped(why) if why else check.look(patient)
    except (StackError, ModelkitError) as exc:
        return _unknown(exc)
    except LambentError as exc:
        # An adapter tells callers of the API nothing of AWS; who asks here owns the credentials.
        cause = exc.__cause__
        return _of_aws(cause) if isinstance(cause, BotoCoreError | ClientError) else _unknown(exc.detail)
    except (BotoCoreError, ClientError) as exc:
        return _of_aws(exc)
    except httpx.HTTPError as exc:
        mend = "is the address right, and is this machine on the network? see `lambent status`"
        return failed(f"{exc.request.url.host} did not answer: {_line(exc)}", mend=mend)
    except Exception as exc:  # noqa: BLE001 - a stack may be broken in ways that no check foresees; the others go on
        told_of = f"the check itself broke on what it saw: {type(exc).__name__}: {_line(exc)}"
        return Finding(Status.UNKNOWN, told_of, "see the other checks first; if they pass, send the report (--report)")


def _of_aws(exc: BotoCoreError | ClientError) -> Finding:
    return _unknown(told(exc))


def _unknown(exc: Exception | str) -> Finding:
    return Finding(Status.UNKNOWN, _line(exc), _MENDS.get(type(exc), _FIRST_THIS))


def _line(exc: Exception | str) -> str:
    """Return an error's text in one line of bearable length."""
    text = " ".join(str(exc).split()) or type(exc).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
