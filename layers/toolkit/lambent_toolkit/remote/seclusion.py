"""What the kernel offers a process that keeps something from those it starts, which run as the same user.

Linux asks for a capability before one process reads the environment, the memory or the open files of another that has
said that it is not to be dumped: prctl(2), PR_SET_DUMPABLE; ptrace(2), "Ptrace access mode checking".
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 23, 24, 38
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")


def hide_this_process() -> None:
    """Let no process without capabilities of its own look into this one, until it becomes another program.

    Raises
    ------
    OSError   the kernel does not do it
    """
    _control(_PR_SET_DUMPABLE, 0)


def give_up_capabilities() -> None:
    """Let the program that this process becomes, and all that it starts, have no capability, root's included.

    Raises
    ------
    OSError   the kernel does not do it
    """
    _control(_PR_SET_NO_NEW_PRIVS, 1)
    _control(_PR_CAP_AMBIENT, _CLEAR_ALL)
    for capability in range(int(_LAST_CAPABILITY.read_text()) + 1):
        # Whoever may not drop them has none to pass on: only root's programs get what is in this set.
        if _control(_PR_CAPBSET_READ, capability) and os.geteuid() == 0:
            _control(_PR_CAPBSET_DROP, capability)


def _control(option: int, argument: int) -> int:
    answer = int(ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0))
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {argument}): {os.strerror(number)}")
    return answer
