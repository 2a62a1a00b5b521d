"""How chance is seeded: LAMBENT_FAULTS_SEED replays a run.

LAMBENT_FAULTS_MUTATIONS (of each class), LAMBENT_FAULTS_FUZZ_S (of each decoder), LAMBENT_FAULTS_KILLED_JOBS and
LAMBENT_FAULTS_KEYS make it longer.
"""

from __future__ import annotations

import os
import time

SEED = int(os.environ.get("LAMBENT_FAULTS_SEED", time.time_ns() % 2**32))
MUTATIONS = int(os.environ.get("LAMBENT_FAULTS_MUTATIONS", "50"))
FUZZ_S = int(os.environ.get("LAMBENT_FAULTS_FUZZ_S", "1"))
# Of 50 shards each, of which 20 attempts are killed.
KILLED_JOBS = int(os.environ.get("LAMBENT_FAULTS_KILLED_JOBS", "1"))
# Eight racers each.
KEYS = int(os.environ.get("LAMBENT_FAULTS_KEYS", "25"))
