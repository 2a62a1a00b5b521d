"""What a soak's program tells whoever started it: one line of JSON, ``numbers`` of what was done, ``wrong`` all 0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tell(told: Mapping[str, Any], file: Path | None) -> int:
    """Print what happened, append it to a file if there is one, and return the exit status.

    Parameters
    ----------
    told   ``numbers``, and ``wrong`` with a count for each way in which a promise can break; what else is of use
    """
    line = json.dumps(told)
    print(line, flush=True)
    if file is not None:
        with file.open("a") as opened:
            opened.write(line + "\n")
    return 1 if any(told["wrong"].values()) else 0
