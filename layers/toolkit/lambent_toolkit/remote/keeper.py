"""The first program of a job that runs people's code: it alone has the container's credentials, and gives none away.

    python -m lambent_toolkit.remote.keeper train --tenant T --run ID --bundle SHA256

runs `lambent_toolkit.remote.job` with the same arguments as a program of its own, without capabilities, which finds
sessions for its tenant and nothing else; it renews them while the job runs. Who holds the container's role may ask for
a session of any tenant, so a recipe must not read it: not in its environment, not in this process's, which the kernel
keeps from it, and not at 169.254.170.2, where it lies under a name that only this process was told. The program is the
container's process 1: it passes SIGTERM on, takes orphans, and ends with the job's exit code.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from lambent.adapters.host import die_with
from lambent.adapters.tenant_s3 import SESSION_S
from lambent.domain.names import check_name
from lambent.errors import LambentError
from lambent_toolkit.remote.seclusion import give_up_capabilities, hide_this_process
from lambent_toolkit.remote.tenant_credentials import TenantCredentials

JOB_PROGRAM = "lambent_toolkit.remote.job"
EXIT_FAULT = 70
EXIT_AGAIN = 75
# SDKs begin to look for a new session 15 minutes before one ends.
RENEW_AFTER_S = SESSION_S / 2
RETRY_AFTER_S = 60.0
_WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_BY_SIGNAL = 128
_NOT_STARTED = 1


@dataclass(frozen=True)
class Keeper:
    """Runs a program that has sessions of one tenant.

    Parameters
    ----------
    ask                 returns a new session; see `lambent.adapters.tenant_s3.session_of`
    credentials         where the program finds it
    renew_after_s       when to ask for the next one
    retry_after_s       when to ask again after nobody answered
    """

    ask: Callable[[], Mapping[str, str]]
    credentials: TenantCredentials
    renew_after_s: float = RENEW_AFTER_S
    retry_after_s: float = RETRY_AFTER_S

    def run(self, command: Sequence[str]) -> int:
        """Return the exit code of a program, as a shell and so a container would.

        Raises
        ------
        Unavailable, Misconfigured   there is no first session
        OSError                      the kernel does not hide this process
        """
        hide_this_process()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            self.credentials.renew(self.ask())
            child = _start(command, self.credentials.environment(os.environ), mask)
            return self._wait(child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _wait(self, child: int) -> int:
        due_s = monotonic() + self.renew_after_s
        while True:
            got = signal.sigtimedwait(_WATCHED, max(0.0, due_s - monotonic()))
            if got is not None and got.si_signo != signal.SIGCHLD:
                os.kill(child, got.si_signo)
            if (status := _reap(child)) is not None:
                code = os.waitstatus_to_exitcode(status)
                return _BY_SIGNAL - code if code < 0 else code
            if monotonic() >= due_s:
                due_s = monotonic() + self._renew()

    def _renew(self) -> float:
        """Ask for the next session; return in how many seconds to ask again."""
        try:
            self.credentials.renew(self.ask())
        except LambentError as exc:
            print(f"No new session yet: {exc.detail}", flush=True)
            return self.retry_after_s
        return self.renew_after_s


def _start(command: Sequence[str], environment: Mapping[str, str], mask: set[signal.Signals]) -> int:
    """Start a program that has nothing of this process's memory, and return its process's number."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            die_with(parent)
            give_up_capabilities()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.execve(command[0], list(command), dict(environment))  # noqa: S606 - no shell is needed
        except OSError as exc:
            print(f"✗ The job could not be started: {exc}", flush=True)
        finally:
            os._exit(_NOT_STARTED)
    return child


def _reap(child: int) -> int | None:
    """Take all that have ended, orphans too; return the child's status if it is among them."""
    found = None
    while True:
        process, status = os.waitpid(-1, os.WNOHANG)
        if process == 0:
            return found
        if process == child:
            return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job that the command names by sessions of the tenant that it names."""
    from lambent.adapters.aws_errors import translate
    from lambent.adapters.clients import client
    from lambent.adapters.tenant_s3 import session_of
    from lambent.runtime.settings import TrainingSettings, load_settings

    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--tenant", required=True)
    asked, _others = parser.parse_known_args(given)

    def ask() -> Mapping[str, str]:
        with translate("session service"):
            return session_of(client("sts"), role_arn, tenant)

    try:
        tenant = check_name(asked.tenant, what="tenant")
        role_arn = load_settings(TrainingSettings).tenant_role_arn
        with TemporaryDirectory(prefix="lambent-own-") as folder:
            keeper = Keeper(ask, TenantCredentials(Path(folder)))
            return keeper.run([sys.executable, "-m", JOB_PROGRAM, *given])
    except LambentError as exc:
        print(f"✗ {exc.detail} ({exc.code})", flush=True)
        return EXIT_FAULT if exc.is_final else EXIT_AGAIN


if __name__ == "__main__":
    sys.exit(main())
