"""The worker's entry point with a model that leaves, as if all were well, when it is given a picture of one shade."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lambent.adapters.worker_host import WorkerModelLoader

SHADE = 7


def load_poisoned(self: WorkerModelLoader, *args: Any) -> Any:
    """Return an interpreter that does not survive the shade."""
    interpreter = LOAD(self, *args)
    run = interpreter.run

    def leaving(inputs: Any) -> Any:
        if np.any(np.isclose(inputs["image"] * 255, SHADE, atol=0.4)):
            os._exit(0)
        return run(inputs)

    interpreter.run = leaving  # type: ignore[method-assign]
    return interpreter


LOAD = WorkerModelLoader.load

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "functions/batch_worker"))
    import main

    WorkerModelLoader.load = load_poisoned  # type: ignore[method-assign]
    sys.exit(main.main())
