"""Status and metadata of models, as TensorFlow Serving and KServe's version 1 tell them."""

from __future__ import annotations

from typing import Any

from lambent.contracts import tfs_answers
from lambent.domain.model import ModelChoice
from lambent.errors import BrokenArtifact, ModelNotFound, ModelNotReady
from lambent.services.describe import DescribeService
from lambent.services.predict import PredictService, Timings


class DescribeTfsService:
    """Reads the registry, and loads the version that is asked about."""

    def __init__(self, describe: DescribeService, predict: PredictService) -> None:
        self._describe = describe
        self._predict = predict

    def status(self, choice: ModelChoice) -> dict[str, Any]:
        """Return the status of the chosen version, of a label's canary too, or of all if the choice names none.

        Newest first.

        The chosen version, by default the live one, is loaded if need be, so that ``ready`` says what a prediction
        would meet. The other versions are AVAILABLE, as each is loaded when it is first called. What cannot be served
        has state END: a broken version, and every version of a model that an operator has unloaded.

        Raises
        ------
        NameInvalid, ModelNotFound, Unavailable
        """
        is_about_all = choice.version is None and choice.label is None
        refs = self._describe.refs(choice.name) if is_about_all else self._describe.chosen(choice)
        failures: dict[int, str] = {}
        is_ready = False
        try:
            self._predict.model(choice, Timings())
            is_ready = True
        except BrokenArtifact as exc:
            failures = {self._describe.ref(choice).version: exc.detail}
        except ModelNotReady as exc:
            failures = dict.fromkeys([ref.version for ref in refs], exc.detail)
        except ModelNotFound:
            if not is_about_all:  # else it has versions, and no label live yet
                raise
        versions = sorted((ref.version for ref in refs), reverse=True)
        statuses = [tfs_answers.version_status(version, failure=failures.get(version)) for version in versions]
        return {"name": choice.name, "ready": is_ready, "model_version_status": statuses}

    def metadata(self, choice: ModelChoice) -> dict[str, Any]:
        """Return a version's signature; raises NameInvalid, ModelNotFound, ModelNotReady, BrokenArtifact."""
        served = self._predict.model(choice, Timings())
        return tfs_answers.metadata(served.contract, served.ref.version)
