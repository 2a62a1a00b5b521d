"""The list of checks, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambent_toolkit.doctor.findings import Finding
from lambent_toolkit.doctor.patient import Patient

Look = Callable[[Patient], Finding]
Need = Callable[[Patient], str]


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    name       by which people say it, e.g. dead-letters
    asks       the question that it asks
    aws_only   why it is not made of a local stack; empty if it is
    needs      tell why there is nothing to look at, with an empty text if there is
    """

    name: str
    group: str
    asks: str
    look: Look
    aws_only: str = ""
    needs: tuple[Need, ...] = ()

    def why_skipped(self, patient: Patient) -> str:
        """Return why this check is not made of this stack; empty if it is. May raise what looking may raise."""
        if self.aws_only and patient.stack.is_local:
            return f"a local stack: {self.aws_only}"
        return next((why for need in self.needs if (why := need(patient))), "")


_CHECKS: list[Check] = []


def check(
    name: str, *, group: str, asks: str, aws_only: str = "", needs: tuple[Need, ...] = ()
) -> Callable[[Look], Look]:
    """Register a check."""

    def register(look: Look) -> Look:
        _CHECKS.append(Check(name, group, asks, look, aws_only, needs))
        return look

    return register


def all_checks() -> list[Check]:
    """Return every check, group by group."""
    from lambent_toolkit.doctor import (  # noqa: F401 - they register
        account,
        api,
        built,
        doors,
        keys,
        lanes,
        models,
        operations,
        storage,
        template,
    )

    by_place = {group: place for place, group in enumerate(GROUPS)}
    return sorted(_CHECKS, key=lambda each: by_place[each.group])


# The API before everything else that calls the functions: its first call is to be their first.
GROUPS = ("account", "deployment", "API", "keys", "models", "doors", "GPU lane", "storage", "operations")


def a_gpu_lane(patient: Patient) -> str:
    """Need a GPU lane."""
    return "" if patient.has_gpu_lane else "the stack has no GPU lane"


def a_model(patient: Patient) -> str:
    """Need a model that is live."""
    return "" if patient.live is not None else "no model is live yet"


def an_answer_for_people(patient: Patient) -> str:
    """Need a live model that takes items and answers labels or a number."""
    if missing := a_model(patient):
        return missing
    trial = patient.trial
    return "" if trial.is_answered else f"{trial.ref} takes and answers tensors only; see oip-round-trip"
