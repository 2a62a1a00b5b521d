"""One fault for each check: what is done to a stack that is well, and what the check must say then.

A fault that other checks see as well names them: nothing else may change.
"""

from unit.doctor import faults_of_accounts, faults_of_apis, faults_of_models, faults_of_upkeep  # noqa: F401
from unit.doctor.seeding import FAULTS, Fault

__all__ = ["FAULTS", "Fault"]
