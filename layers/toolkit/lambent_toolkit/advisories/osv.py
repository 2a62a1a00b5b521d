"""Look pins up at OSV: its API, or a folder of its files (an unpacked dump of the ecosystem PyPI).

Sources: https://google.github.io/osv.dev/post-v1-querybatch/ and https://ossf.github.io/osv-schema/. Read, and tried
against a server of our own only: where this was written the service could not be reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lambent_toolkit.advisories.pins import CouldNotLookError, Pin
from lambent_toolkit.advisories.record import Finding

SERVICE = "https://api.osv.dev"
_BATCH = 500  # of at most 1,000 queries
_PAGES = 50
_Package = tuple[str, str]


def ask_service(pins: Iterable[Pin], service: str = SERVICE) -> dict[_Package, list[Finding]]:
    """Return what OSV has against each (name, version).

    Raises
    ------
    CouldNotLookError  it did not answer, or not with an answer for each of them
    """
    wanted = sorted({(pin.name, pin.version) for pin in pins})
    try:
        with httpx.Client(base_url=service, timeout=30.0) as client:
            ids = dict(zip(wanted, _ids(client, wanted), strict=True))
            told = {
                each: _json(client.get(f"/v1/vulns/{each}")) for each in sorted({i for x in ids.values() for i in x})
            }
            return {package: [_finding(told[i], *package) for i in sorted(found)] for package, found in ids.items()}
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CouldNotLookError(f"{service} did not tell: {type(exc).__name__}: {exc}.") from exc


def read_folder(pins: Iterable[Pin], folder: Path) -> dict[_Package, list[Finding]]:
    """Return what the OSV files under ``folder`` have against each (name, version); raises CouldNotLookError."""
    found: dict[_Package, list[Finding]] = {(pin.name, pin.version): [] for pin in pins}
    versions: dict[str, set[str]] = {}
    for name, version in found:
        versions.setdefault(name, set()).add(version)
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise CouldNotLookError("The folder holds no advisory (*.json in OSV's form).")
    for file in files:
        advisory = _advisory(file)
        for name in {canonicalize_name(each["package"]["name"]) for each in _affected(advisory)}:
            for version in versions.get(name, ()):
                if _hits(advisory, name, version):
                    found[name, version].append(_finding(advisory, name, version))
    return found


def _ids(client: httpx.Client, wanted: list[_Package]) -> Iterator[set[str]]:
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in batch]
        yield from _pages(client, queries)


def _pages(client: httpx.Client, queries: list[dict[str, Any]]) -> list[set[str]]:
    found: list[set[str]] = [set() for _ in queries]
    waiting = list(range(len(queries)))
    for _ in range(_PAGES):
        answers = _json(client.post("/v1/querybatch", json={"queries": [queries[at] for at in waiting]}))["results"]
        for at, answer in zip(waiting, answers, strict=True):
            found[at] |= {each["id"] for each in answer.get("vulns", [])}
            queries[at] = {**queries[at], "page_token": answer.get("next_page_token")}
        waiting = [at for at in waiting if queries[at]["page_token"]]
        if not waiting:
            return found
    raise ValueError(f"more than {_PAGES} pages")


def _json(answer: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def _advisory(file: Path) -> dict[str, Any]:
    try:
        advisory: dict[str, Any] = json.loads(file.read_bytes())
        _affected(advisory)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CouldNotLookError(f"{file.name} is no advisory in OSV's form: {type(exc).__name__}.") from exc
    return advisory


def _affected(advisory: dict[str, Any]) -> list[dict[str, Any]]:
    if advisory.get("withdrawn"):
        return []
    return [each for each in advisory.get("affected", []) if each["package"]["ecosystem"] == "PyPI"]


def _hits(advisory: dict[str, Any], name: str, version: str) -> bool:
    mine = [each for each in _affected(advisory) if canonicalize_name(each["package"]["name"]) == name]
    return any(version in each.get("versions", []) for each in mine) or any(
        Version(start) <= Version(version) and (end is None or Version(version) < Version(end))
        for start, end in _ranges(mine)
    )


def _finding(advisory: dict[str, Any], name: str, version: str) -> Finding:
    """Return it as this version needs it: the range that the version lies in, or the version alone if none tells."""
    mine = [each for each in _affected(advisory) if canonicalize_name(each["package"]["name"]) == name]
    for start, end in _ranges(mine):
        found = Finding(id=advisory["id"], introduced=start, fixed=end)
        if found.hits(version):
            return found
    return Finding(id=advisory["id"], introduced=version, fixed=None)


def _ranges(affected: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """Return (introduced, fixed) of all ranges of versions; events come in the order of versions."""
    found: list[tuple[str, str | None]] = []
    for told in (told for each in affected for told in each.get("ranges", []) if told["type"] == "ECOSYSTEM"):
        start: str | None = None
        for event in told["events"]:
            if "introduced" in event:
                start = event["introduced"]
            elif "fixed" in event and start is not None:
                found.append((start, event["fixed"]))
                start = None
            elif "last_affected" in event:
                start = None  # the list of versions says it
        if start is not None:
            found.append((start, None))
    return [each for each in found if _are_versions(*each)]


def _are_versions(*bounds: str | None) -> bool:
    try:
        return bool([Version(bound) for bound in bounds if bound is not None])
    except InvalidVersion:
        return False
