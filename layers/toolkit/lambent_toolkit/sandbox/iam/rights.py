"""A record of rights: those that the template gives, those that were used, and what was refused; each thing once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lambent_toolkit.sandbox.iam.judge import Right
from lambent_toolkit.sandbox.iam.policy import Policy
from lambent_toolkit.sandbox.private_files import private_open

FILE_NAME = "rights.jsonl"


@dataclass(frozen=True)
class Denial:
    """A question that was refused."""

    principal: str
    action: str
    resource: str
    reason: str


class RightsLog:
    """Writes uses and refusals to a file as they happen: the process may be killed at any time.

    Parameters
    ----------
    file : Path
    """

    def __init__(self, file: Path) -> None:
        self._file = private_open(file, "a", buffering=1)
        self._seen: set[tuple[str, Right | Denial]] = set()
        self._lock = threading.Lock()
        self._denials: list[Denial] = []

    def grant(self, right: Right) -> None:
        """Note a right that a policy of the template gives, used or not."""
        self._note("granted", right)

    def use(self, right: Right) -> None:
        """Note that a right was used."""
        self._note("used", right)

    def refuse(self, denial: Denial) -> None:
        """Note that something was refused."""
        with self._lock:
            self._denials.append(denial)
        self._note("denied", denial)

    def denials(self) -> list[dict[str, str]]:
        """Return all refusals in their order."""
        with self._lock:
            return [asdict(each) for each in self._denials]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _note(self, kind: str, entry: Right | Denial) -> None:
        if (kind, entry) in self._seen:
            return
        with self._lock:
            if (kind, entry) not in self._seen:
                self._seen.add((kind, entry))
                self._file.write(json.dumps({kind: asdict(entry)}) + "\n")


def read_rights(folder: Path) -> dict[str, set[Right]]:
    """Read the rights of every stack whose logs lie somewhere below a folder.

    Returns
    -------
    dict    `granted` and `used` -> rights
    """
    found: dict[str, set[Right]] = {"granted": set(), "used": set()}
    for file in sorted(folder.rglob(FILE_NAME)):
        for line in file.read_text().splitlines():
            for kind, entry in json.loads(line).items():
                if kind in found:
                    found[kind].add(Right(**entry))
    return found


def granted_by(principal: str, policy: Policy) -> Iterator[Right]:
    """Iterate over what a policy allows: each action on each resource of each statement."""
    for each in policy.statements:
        if each.is_allow:
            for action in each.actions:
                for resource in each.resources:
                    yield Right(principal, policy.name, each.name, action, resource)
