"""How chance is seeded: LAMBENT_FAULTS_SEED replays a run.

LAMBENT_FAULTS_MUTATIONS (of each class) and LAMBENT_FAULTS_FUZZ_S (of each decoder) make it longer.
"""

from __future__ import annotations

import os
import time

SEED = int(os.environ.get("LAMBENT_FAULTS_SEED", time.time_ns() % 2**32))
MUTATIONS = int(os.environ.get("LAMBENT_FAULTS_MUTATIONS", "50"))
FUZZ_S = int(os.environ.get("LAMBENT_FAULTS_FUZZ_S", "1"))
