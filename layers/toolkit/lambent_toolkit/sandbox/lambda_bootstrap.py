"""First program of a function's process: limit it, tie it to its supervisor, hand over to `awslambdaric`.

It runs by path in the base interpreter, without site-packages, so it may import the standard library only.
Arguments: the supervisor's process id, and the limit of the data segment in bytes (0 for none).
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its supervisor is gone, however that one ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


def limit_memory(size_bytes: int) -> None:
    """Bound what the process may allocate, and keep core dumps out of its /tmp."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if size_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))


def main() -> None:
    """Prepare this process and serve invocations until it is killed."""
    parent, size_bytes = (int(argument) for argument in sys.argv[1:3])
    die_with(parent)
    limit_memory(size_bytes)

    from awslambdaric import __main__ as runtime_client

    runtime_client.main([sys.argv[0], os.environ["_HANDLER"]])


if __name__ == "__main__":
    main()
