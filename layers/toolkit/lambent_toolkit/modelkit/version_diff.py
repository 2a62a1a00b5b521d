"""What differs between two published versions: the contract's fields, the files, the report's figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from lambent.contracts.model import FileDigest, VersionManifest
from lambent.domain.model import CONTRACT_FILE, REPORT_FILE, ModelRef
from lambent.errors import BrokenArtifact
from lambent.ports import ObjectStore, Registry
from lambent.services.version_files import VersionFiles

# What a report holds an entry of for each class, bin, slice or item: hundreds of values that always differ.
_LISTS = {"classes", "confusion", "bins", "mistakes", "slices"}


@dataclass(frozen=True)
class Difference:
    """A value by its path in a document, in both versions; None where a version does not have it."""

    path: str
    first: Any
    second: Any


@dataclass(frozen=True)
class VersionDiff:
    """Two versions side by side: ``files`` are those that differ, with sha256 and size in each."""

    first: ModelRef
    second: ModelRef
    contract: list[Difference]
    files: dict[str, tuple[FileDigest | None, FileDigest | None]]
    report: list[Difference]

    @property
    def is_empty(self) -> bool:
        """Whether both are the same but for their numbers and times."""
        return not (self.contract or self.files or self.report)


class NobodyServes:
    """No audit: comparing serves nobody, and who compares is told what is wrong."""

    def refused(self, ref: ModelRef, error: BrokenArtifact) -> None:
        """Do nothing."""


def compare_versions(first: ModelRef, second: ModelRef, *, registry: Registry, store: ObjectStore) -> VersionDiff:
    """Compare two versions by their verified files.

    Raises
    ------
    ModelNotFound          one of them does not exist, or its files are removed
    ModelIntegrityFailed   one of them is not what was published
    Unavailable
    """
    files = VersionFiles(registry, store, NobodyServes())
    manifests = files.manifest(first), files.manifest(second)
    documents = [
        [_document(files, ref, manifest, name) for ref, manifest in zip((first, second), manifests, strict=True)]
        for name in (CONTRACT_FILE, REPORT_FILE)
    ]
    names = sorted(manifests[0].files.keys() | manifests[1].files.keys())
    pairs = {name: (manifests[0].files.get(name), manifests[1].files.get(name)) for name in names}
    return VersionDiff(
        first,
        second,
        contract=differences(*documents[0]),
        files={name: (one, other) for name, (one, other) in pairs.items() if one != other},
        report=differences(*(_headlines(document) for document in documents[1])),
    )


def differences(first: Any, second: Any) -> list[Difference]:
    """Return the values that differ between two JSON documents, in the first's order, then what only the second has."""
    values, others = dict(_leaves(first)), dict(_leaves(second))
    paths = [*values, *(path for path in others if path not in values)]
    found = (Difference(path, values.get(path), others.get(path)) for path in paths)
    return [each for each in found if each.first != each.second]


def _document(files: VersionFiles, ref: ModelRef, manifest: VersionManifest, name: str) -> Any:
    return msgspec.json.decode(files.file(ref, manifest, name)) if name in manifest.files else {}


def _headlines(report: Any) -> Any:
    """Return a report without its long lists: `lambent compare` shows on which items two versions differ."""
    if isinstance(report, list):
        return [_headlines(each) for each in report]
    if not isinstance(report, dict):
        return report
    return {name: _headlines(each) for name, each in report.items() if name not in _LISTS}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its path; lists of plain values are one value, as labels and shapes are read whole."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{index}]")
    else:
        yield path, value
