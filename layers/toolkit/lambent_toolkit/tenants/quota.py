"""How many requests a key may make in a period."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambent_toolkit.tenants.errors import QuotaInvalid

_QUOTA = re.compile(r"([1-9]\d{0,9})(?:/(day|week|month))?")
_MOST = 2**31 - 1  # API Gateway's type of a limit is a 32-bit integer
FORM = "a number of requests and a period, such as 1000/day, 20000/week or 500000/month"


@dataclass(frozen=True)
class Quota:
    """So many requests a day, week or month."""

    requests: int
    period: str = "day"

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        return f"{self.requests}/{self.period}"

    @classmethod
    def parse(cls, text: str) -> Quota:
        """Read e.g. ``1000/day``; a number alone is a day's. Raises QuotaInvalid."""
        found = _QUOTA.fullmatch(text.strip().lower())
        if found is None or int(found[1]) > _MOST:
            raise QuotaInvalid(f"{text!r} is no quota: say {FORM}, at most {_MOST:,} requests.")
        return cls(int(found[1]), found[2] or "day")
