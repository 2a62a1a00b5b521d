"""What models there are and what they take."""

from __future__ import annotations

from typing import Any

from lambent.domain.model import LIVE, ModelChoice, ModelRef
from lambent.domain.names import check_name, parse_version
from lambent.ports import Registry
from lambent.services.not_found import no_such_label, no_such_model, no_such_version


class DescribeService:
    """Registry reads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def models(self) -> list[str]:
        """Return the names of all models, sorted."""
        return self._registry.models()

    def versions(self, name: str) -> list[int]:
        """Return a model's version numbers in rising order; raises NameInvalid, ModelNotFound."""
        records = self._registry.versions(check_name(name, what="model"))
        if not records:
            raise no_such_model(name, self._registry)
        return [record.ref.version for record in records]

    def refs(self, name: str) -> list[ModelRef]:
        """Return a model's versions in rising order; raises NameInvalid, ModelNotFound."""
        return [ModelRef(name, version) for version in self.versions(name)]

    def ref(self, choice: ModelChoice) -> ModelRef:
        """Return the published version that a choice names, served or not; raises NameInvalid, ModelNotFound."""
        check_name(choice.name, what="model")
        if choice.version is not None:
            ref = ModelRef(choice.name, parse_version(choice.version))
            if self._registry.version(ref) is None:
                raise no_such_version(choice.name, self._registry)
            return ref
        label = self._registry.label(choice.name, check_name(choice.label or LIVE, what="label"))
        if label is None:
            raise no_such_label(choice.name, self._registry)
        return ModelRef(choice.name, label.version)

    def model(self, name: str) -> dict[str, Any]:
        """Return a model's versions and labels as a JSON object; raises NameInvalid, ModelNotFound."""
        versions = self.versions(name)
        labels = {record.label: str(record.version) for record in self._registry.labels(name)}
        return {"name": name, "versions": [str(version) for version in versions], "labels": labels}
