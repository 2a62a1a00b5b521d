"""Door 2, second half: a preprocessed tensor becomes a result object."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from lambent.contracts.media import prediction_fields
from lambent.contracts.messages import TensorMessage
from lambent.domain.model import ModelRef
from lambent.errors import LambentError
from lambent.ports import ObjectStore
from lambent.services.load_model import Models
from lambent.services.outcome import Source, leave_outcome, write_failure, write_result
from lambent.services.predict import Timings, predict_items

_TOP_K = 5


class InferService:
    """Inference of single uploads."""

    def __init__(self, *, data: ObjectStore, models: Models) -> None:
        self._data = data
        self._models = models

    def infer(self, message: TensorMessage) -> LambentError | None:
        """Run one message and write its outcome; the same message again writes the same outcome.

        Returns
        -------
        the permanent error that was recorded instead of a result, or None: also for an upload that was overwritten
        meanwhile, whose successor has an outcome of its own

        Raises
        ------
        Unavailable   and any other retryable error; the message must be delivered again
        """
        try:
            self._infer(message)
        except LambentError as error:
            if not error.is_final:
                raise
            self._fail(message, error)
            return error
        return None

    def give_up(self, message: TensorMessage, error: LambentError) -> None:
        """Write the failure of a message that is not delivered again, unless it has an outcome; raises Unavailable."""
        self._fail(message, error, keeps_own=True)

    def _fail(self, message: TensorMessage, error: LambentError, *, keeps_own: bool = False) -> None:
        write_failure(
            self._data,
            message.result_stem,
            error,
            source_name=message.source_name,
            source_etag=message.source_etag,
            source_key=message.source_key,
            source_sequencer=message.source_sequencer,
            keeps_own=keeps_own,
        )

    def _infer(self, message: TensorMessage) -> None:
        source = Source(message.source_key, message.source_etag, message.source_sequencer)
        if self._data.etag(message.source_key) not in (message.source_etag, None):
            leave_outcome(self._data, message.result_stem, source)
            return
        model = self._models.get(ModelRef(message.model, message.version))
        body = self._data.read(message.tensor_key).body
        with np.load(BytesIO(body), allow_pickle=False) as arrays:
            prepared = dict(arrays)
        (prediction,) = predict_items(model, [prepared], Timings(), top_k=_TOP_K)
        result = {
            "model": message.model,
            "version": str(message.version),
            **({} if message.is_canary is None else {"canary": message.is_canary}),
            **prediction_fields(prediction),
        }
        write_result(self._data, message.result_stem, result, source=source, source_name=message.source_name)
