"""A request to stop waits for the end of a batch, and for nothing else."""

import pytest

from lambent_toolkit.modelkit.stopping import Stop


def test_request_is_kept_where_somebody_looks_and_interrupts_where_nobody_does() -> None:
    stop = Stop()

    with stop.heeded():
        stop.ask()
    assert stop.is_asked
    with pytest.raises(KeyboardInterrupt):
        stop.ask()
    with pytest.raises(ValueError, match="broken"), stop.heeded():
        raise ValueError("broken")
    with pytest.raises(KeyboardInterrupt):
        stop.ask()
