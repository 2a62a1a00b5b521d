"""What models there are and what they take."""

from __future__ import annotations

from typing import Any

from lambent.domain.model import LIVE, Canary, ModelChoice, ModelRef, VersionRecord
from lambent.domain.names import check_name, parse_version
from lambent.ports import Registry
from lambent.services.not_found import no_such_label, no_such_model, no_such_version, removed_version


class DescribeService:
    """Registry reads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return self._registry.models()

    def versions(self, name: str) -> list[int]:
        """Return the numbers of a model's versions in rising order; raises NameInvalid, ModelNotFound."""
        return [record.ref.version for record in self._records(name)]

    def refs(self, name: str) -> list[ModelRef]:
        """Return a model's versions in rising order; raises NameInvalid, ModelNotFound."""
        return [record.ref for record in self._records(name)]

    def ref(self, choice: ModelChoice) -> ModelRef:
        """Return the published version that a choice names, of a label the stable one; raises as `chosen`."""
        return self.chosen(choice)[0]

    def chosen(self, choice: ModelChoice) -> list[ModelRef]:
        """Return the published versions that a choice may lead to, served or not: of a label its canary too, last.

        Raises
        ------
        NameInvalid, ModelNotFound, Unavailable
        """
        check_name(choice.name, what="model")
        if choice.version is not None:
            record = self._registry.version(ModelRef(choice.name, parse_version(choice.version)))
            if record is None:
                raise no_such_version(choice.name, self._registry)
            if record.removed is not None:
                raise removed_version(record)
            return [record.ref]
        label = self._registry.label(choice.name, check_name(choice.label or LIVE, what="label"))
        if label is None:
            raise no_such_label(choice.name, self._registry)
        return [ModelRef(choice.name, version) for version in label.versions]

    def model(self, name: str) -> dict[str, Any]:
        """Return a model's versions and labels as a JSON object; raises NameInvalid, ModelNotFound."""
        records, labels = self._records(name), self._registry.labels(name)
        return {
            "name": name,
            "versions": [str(record.ref.version) for record in records],
            "labels": {label.label: str(label.version) for label in labels},
            "canaries": {label.label: _canary(label.canary) for label in labels if label.canary is not None},
            "retired": [str(record.ref.version) for record in records if record.retired is not None],
        }

    def _records(self, name: str) -> list[VersionRecord]:
        records = [
            record for record in self._registry.versions(check_name(name, what="model")) if record.removed is None
        ]
        if not records:
            raise no_such_model(name, self._registry)
        return records


def _canary(canary: Canary) -> dict[str, Any]:
    return {"version": str(canary.version), "weight_percent": canary.weight_percent}
