"""What to say about a model, version or label that does not exist: what there is instead."""

from __future__ import annotations

from lambent.domain.model import VersionRecord
from lambent.errors import ModelNotFound
from lambent.ports import Registry

_MOST = 5
_ROUGHLY = 0.5  # difflib's ratio: half of the letters in common


def no_such_model(name: str, registry: Registry) -> ModelNotFound:
    """Return the error about an unknown model, with up to five names like it."""
    from difflib import get_close_matches  # on the way to an error only

    near = get_close_matches(name, registry.models(), n=_MOST, cutoff=_ROUGHLY)
    hint = f"Did you mean {', '.join(near)}?" if near else "GET /models lists the models."
    return ModelNotFound(f"There is no such model. {hint}", field="model", limit=near or None)


def no_such_version(name: str, registry: Registry) -> ModelNotFound:
    """Return the error about an unknown version, with the latest versions of the model."""
    versions = [str(record.ref.version) for record in registry.versions(name) if record.removed is None]
    if not versions:
        return no_such_model(name, registry)
    latest = versions[-_MOST:]
    return ModelNotFound(
        f"The model has no such version; its latest are {', '.join(latest)}.", field="version", limit=latest
    )


def removed_version(record: VersionRecord) -> ModelNotFound:
    """Return the error about a version whose files are gone."""
    return ModelNotFound(f"{record.ref} was retired, and removed {record.removed}.", field="version")


def no_such_label(name: str, registry: Registry) -> ModelNotFound:
    """Return the error about an unknown label, with the labels of the model."""
    labels = sorted(record.label for record in registry.labels(name))[:_MOST]
    if not labels and not registry.versions(name):
        return no_such_model(name, registry)
    return ModelNotFound(
        f"The model has no such label; it has {', '.join(labels) or 'none yet: name a version'}.",
        field="label",
        limit=labels,
    )
