"""Named checks of a stack: each tells what is wrong and how to mend it. One that cannot look is no pass."""

from lambent_toolkit.doctor.checkup import examine
from lambent_toolkit.doctor.findings import Finding, Result, Status

__all__ = ["Finding", "Result", "Status", "examine"]
