"""Models that PredictFunction loads while it starts, so that the first request finds them warm.

The thread is started before the heavy imports: it waits for DynamoDB and S3 while they run.
"""

from __future__ import annotations

from threading import Thread

from lambent.errors import Misconfigured
from lambent.runtime.settings import PredictSettings, load_settings

# Lambda begins a start anew that takes longer than 10 s; what is left then, the first request waits for.
INIT_WAIT_S = 8.0

_threads: list[Thread] = []


def begin_preload() -> None:
    """Start to load the live versions of the models that PRELOAD_MODELS names."""
    try:
        names = load_settings(PredictSettings).models_to_preload
    except Misconfigured:
        return  # the first request meets it too, and answers it
    if names:
        thread = Thread(target=_preload, args=[names], name="preload", daemon=True)
        _threads.append(thread)
        thread.start()


def await_preload(timeout_s: float | None = None) -> None:
    """Wait until the models are loaded, or have failed to load; at most ``timeout_s``."""
    for thread in list(_threads):
        thread.join(timeout_s)
        if not thread.is_alive():
            _threads.remove(thread)


def _preload(names: list[str]) -> None:
    from lambent.runtime.time_left import at_start

    try:
        with at_start():
            _load_live_versions(names)
    except Exception:  # noqa: BLE001 - the top of a thread; the first request meets what is wrong, and answers it
        from lambent.runtime.observability import logger

        logger.exception("preload failed")


def _load_live_versions(names: list[str]) -> None:
    from lambent.domain.model import ModelChoice
    from lambent.errors import LambentError
    from lambent.runtime.observability import logger
    from lambent.runtime.wiring import predict_service
    from lambent.services.predict import Timings

    for name in names:
        timings = Timings()
        try:
            # Loading verifies the golden vectors, which runs the interpreter too.
            served = predict_service().model(ModelChoice(name), timings)
        except LambentError as exc:
            logger.warning("preload failed", model=name, code=exc.code, detail=exc.detail)
        else:
            logger.info("preloaded", model=str(served.ref), steps=timings.rounded())
