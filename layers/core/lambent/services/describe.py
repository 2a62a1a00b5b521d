"""What models there are and what they take."""

from __future__ import annotations

from typing import Any

from lambent.domain.names import check_name
from lambent.errors import ModelNotFound
from lambent.ports import Registry


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
            raise ModelNotFound("There is no such model. GET /models lists the models.", field="model")
        return [record.ref.version for record in records]

    def model(self, name: str) -> dict[str, Any]:
        """Return a model's versions and labels as a JSON object; raises NameInvalid, ModelNotFound."""
        versions = self.versions(name)
        labels = {record.label: str(record.version) for record in self._registry.labels(name)}
        return {"name": name, "versions": [str(version) for version in versions], "labels": labels}
