"""Faults for checks: what is done to a stack that is well, and what the check must say then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from lambent_toolkit.doctor.findings import Status
from unit.doctor.well_stack import WellStack

Seed = Callable[[WellStack], None]
FAILED, WARNING, UNKNOWN, SKIPPED = Status.FAILED, Status.WARNING, Status.UNKNOWN, Status.SKIPPED


@dataclass(frozen=True)
class Fault:
    """A fault of a check.

    Parameters
    ----------
    check   the check that finds it
    told    words that its finding must have
    also    other checks that see it, with how they end
    """

    check: str
    seed: Seed
    told: str
    status: Status = FAILED
    also: dict[str, Status] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.check}-{self.seed.__name__}"


FAULTS: list[Fault] = []


def fault(check: str, told: str, status: Status = FAILED, **also: Status) -> Callable[[Seed], Seed]:
    """Register what makes a check fail; names of other checks have _ for -."""

    def register(seed: Seed) -> Seed:
        FAULTS.append(Fault(check, seed, told, status, {name.replace("_", "-"): end for name, end in also.items()}))
        return seed

    return register


def tell(stack: WellStack, service: str, **answers: Any) -> None:
    stack.told[service].answers |= answers


def answer(stack: WellStack, method: str, pattern: str, response: Callable[[httpx.Request], httpx.Response]) -> None:
    stack.door.faults.append((method, pattern, response))


def always(response: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    """Answer the same each time, with a body that was not read before."""
    return lambda _: httpx.Response(response.status_code, headers=response.headers, content=response.content)


def configured(stack: WellStack, only: str, **changes: Any) -> None:
    """Let one function's configuration differ."""
    well = stack._configuration

    def tell_configuration(request: dict[str, Any]) -> dict[str, Any]:
        return well(request) | (changes if request["FunctionName"] == stack.functions[only] else {})

    tell(stack, "lambda", get_function_configuration=tell_configuration)
