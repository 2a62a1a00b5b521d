"""One process that answers 5,000 good and bad requests of all protocols keeps its memory, its files and /tmp."""

from __future__ import annotations

import gc
import os
import re
import tempfile
from pathlib import Path
from random import Random

from chance import SEED
from good_input import check_good
from plane import Plane
from test_mutations import CLASSES

REQUESTS = 5_000
WARM_UP = 3_000
ROUNDS = 10
MAX_BYTES_A_REQUEST = 1_024
GOOD_PATHS = ["/v2", "/v1", "/models/words", "/models/rows", "/models/shade"]


def test_memory_files_and_tmp_stay_flat_over_5000_mixed_requests(plane: Plane) -> None:
    print(f"replay: LAMBENT_FAULTS_SEED={SEED}")
    random = Random(f"{SEED} warm reuse")
    # Those of jobs and uploads leave rows in moto's table, which is in this process too.
    kinds = [
        kind for kind in CLASSES if not kind.name.startswith(("jobs", "uploads", "key", "model", "version", "headers"))
    ]
    _send(plane, kinds, random, WARM_UP)
    before = _open_files(), _scratch()

    sizes = [_size_after(plane, kinds, random, REQUESTS // ROUNDS) for _ in range(ROUNDS)]

    # A large request leaves a peak that goes again; what leaks raises the lowest points too.
    print("SIZES", (min(sizes[-3:]) - min(sizes[:3])) / 1e6, [round(s / 1e6, 1) for s in sizes])
    assert min(sizes[-3:]) - min(sizes[:3]) < MAX_BYTES_A_REQUEST * REQUESTS, sizes
    assert (_open_files(), _scratch()) == before


def _size_after(plane: Plane, kinds: list, random: Random, requests: int) -> int:
    _send(plane, kinds, random, requests)
    return _rss_bytes()


def _send(plane: Plane, kinds: list, random: Random, requests: int) -> None:
    for number in range(requests):
        if number % 2:
            check_good(plane, random.choice(GOOD_PATHS))
        else:
            plane.send(random.choice(kinds).make(random))
    plane.take_log()
    assert not plane.take_crashes()
    gc.collect()


def _rss_bytes() -> int:
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a listing holds a file open itself, and so does the other


def _scratch() -> list[str]:
    mine = f"lambent-{os.getpid()}"
    return sorted(each.name for each in Path(tempfile.gettempdir()).iterdir() if each.name.startswith(mine))
