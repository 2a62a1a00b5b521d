"""Every decoder of a client's bytes under a coverage-guided fuzzer: nothing but a LambentError ever comes out of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chance import FUZZ_S
from fuzz_targets import TARGETS, seeds

FOLDER = Path(__file__).parent
CORPUS = FOLDER / "corpus"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what the fuzzer told of each decoder."""
    folder = tmp_path_factory.mktemp("fuzz")
    for name, good in seeds().items():
        corpus = folder / "corpus" / name
        corpus.mkdir(parents=True)
        for index, seed in enumerate(good):
            (corpus / f"seed-{index}").write_bytes(seed)
        for found in (CORPUS / name).glob("*"):
            shutil.copy(found, corpus)
    subprocess.run(
        [sys.executable, str(FOLDER / "fuzz_program.py"), str(FUZZ_S), str(folder / "corpus"), str(folder), *TARGETS],
        check=True,
        env={**os.environ, "PYTHONPATH": f"{FOLDER}{os.pathsep}{FOLDER.parent}"},
    )
    return {name: (folder / f"{name}.log").read_text(errors="replace") for name in TARGETS}


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_raises_nothing_unexpected(logs: dict[str, str], name: str) -> None:
    runs = re.search(r"Done (\d+) runs in (\d+) second", logs[name])

    assert runs is not None, logs[name][-4000:]
    print(f"{name}: {runs[0]}")
