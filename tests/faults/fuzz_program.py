"""Coverage-guided fuzzing by atheris: fuzz_program.py SECONDS CORPUS_FOLDER ARTIFACT_FOLDER DECODER...

Each decoder is fuzzed in a forked process of its own, which writes DECODER.log into the artifact folder. Whatever a
decoder raises that is no LambentError ends its process, and the input is kept there as DECODER-crash-….
"""

from __future__ import annotations

import os
import sys

import atheris

with atheris.instrument_imports(include=["lambent", "multipart", "csv"]):
    from fuzz_targets import TARGETS, Decode

    from lambent.errors import LambentError


def fuzz(name: str, decode: Decode, *, seconds: str, corpus: str, artifacts: str) -> None:
    """Fuzz one decoder until the time is up; never returns."""

    def once(data: bytes) -> None:
        try:
            decode(data)
        except LambentError:
            return

    log = os.open(f"{artifacts}/{name}.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={artifacts}/{name}-",
        "-max_len=4096",
        "-rss_limit_mb=1024",
        "-timeout=300",
    ]
    atheris.Setup([sys.argv[0], *options, f"{corpus}/{name}"], once)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one decoder after the other."""
    seconds, corpus, artifacts, *names = sys.argv[1:]
    for name in names:
        child = os.fork()
        if child == 0:
            fuzz(name, TARGETS[name], seconds=seconds, corpus=corpus, artifacts=artifacts)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
