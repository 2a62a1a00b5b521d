"""Which models are served, as an operator decides for all doors and environments (Triton's model repository extension).

Every published version can be served, so nothing has to be copied: to unload a model is to note that it is not to be
called, which every environment learns within the time that it remembers a label for.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lambent.domain.model import Change, LabelRecord, ModelChoice
from lambent.domain.names import check_name
from lambent.domain.rollout import WHOLE_BP
from lambent.ports import Clock, Registry
from lambent.services.load_model import ModelCache, ModelResolver
from lambent.services.not_found import no_such_model

READY = "READY"
UNAVAILABLE = "UNAVAILABLE"


class RepositoryService:
    """Index, load and unload."""

    def __init__(self, registry: Registry, resolver: ModelResolver, models: ModelCache, clock: Clock) -> None:
        self._registry = registry
        self._resolver = resolver
        self._models = models
        self._clock = clock

    def index(self, *, is_ready_only: bool = False) -> list[dict[str, Any]]:
        """Return every version with its state, READY or UNAVAILABLE, and the reason if it is not ready.

        Versions under a label have ``labels`` too: each with the percent of its requests that they answer.
        """
        entries = [entry for name in self._registry.models() for entry in self._entries(name)]
        return [entry for entry in entries if entry["state"] == READY or not is_ready_only]

    def _entries(self, name: str) -> list[dict[str, Any]]:
        unloaded_at = self._registry.unloaded_at(name)
        state = READY if unloaded_at is None else UNAVAILABLE
        reason = "" if unloaded_at is None else f"unloaded at {unloaded_at}"
        shares = _shares(self._registry.labels(name))
        return [
            {"name": name, "version": str(number), "state": state, "reason": reason}
            | ({"labels": shares[number]} if number in shares else {})
            for number in [record.ref.version for record in self._registry.versions(name) if record.removed is None]
        ]

    def load(self, name: str, *, by: str) -> None:
        """Serve a model again, in the name of ``by``, once its live version has proven to load here.

        Raises
        ------
        NameInvalid, ModelNotFound, BrokenArtifact, Unavailable   the model stays as it was
        """
        self._models.get(self._resolver.resolve(ModelChoice(name), is_unloaded_allowed=True))
        self._registry.set_unloaded(name, Change(self._clock.now(), by, ""), is_unloaded=False)
        self._resolver.forget(name)

    def unload(self, name: str, *, by: str) -> None:
        """Stop serving a model in the name of ``by``; versions and labels stay; raises NameInvalid, ModelNotFound."""
        if not self._registry.versions(check_name(name, what="model")):
            raise no_such_model(name, self._registry)
        self._registry.set_unloaded(name, Change(self._clock.now(), by, ""), is_unloaded=True)
        self._resolver.forget(name)


def _shares(labels: list[LabelRecord]) -> dict[int, dict[str, float]]:
    """Return the percent of each label's requests, by version."""
    shares: dict[int, dict[str, float]] = defaultdict(dict)
    for record in labels:
        canary_bp = record.canary.weight_bp if record.canary is not None else 0
        shares[record.version][record.label] = (WHOLE_BP - canary_bp) / 100
        if record.canary is not None:
            shares[record.canary.version][record.label] = record.canary.weight_percent
    return shares
