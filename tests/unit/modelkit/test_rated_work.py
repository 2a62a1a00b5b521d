"""What is done while a version's throughput is measured: told by the steps that one batch takes, not by a clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import contract
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit import serving_program


class Preparing:
    """Preprocessing that notes what it is given."""

    def __init__(self, steps: list[Any]) -> None:
        self._steps = steps

    def prepare(self, item: bytes) -> bytes:
        self._steps.append(("prepare", item))
        return item

    def collate(self, items: list[bytes]) -> dict[str, Any]:
        return {"items": items}


class Running:
    """An interpreter that notes what it is given, and its threads."""

    def __init__(self, steps: list[Any], threads: int) -> None:
        self._steps, self._threads = steps, threads

    def run(self, tensors: dict[str, Any]) -> None:
        self._steps.append(("run", self._threads, tensors["items"]))


def test_a_batch_is_rated_with_its_preprocessing_and_preprocessing_alone_without_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[Any] = []

    def rated(batches: list[list[bytes]], act: Callable[[list[bytes]], object]) -> float:
        act(batches[0])
        steps.append("rated")
        return float(len(steps))

    (tmp_path / "items.npz").write_bytes(GoldenVectors([b"a", b"b"], {"image": np.zeros(2)}, {}).to_npz())
    monkeypatch.setattr(serving_program, "preprocessor_of", lambda *_: Preparing(steps))
    monkeypatch.setattr(serving_program, "load", lambda *_, threads: Running(steps, threads))
    monkeypatch.setattr(serving_program, "items_per_s", rated)
    monkeypatch.setattr(serving_program, "_version", lambda _name: "1")

    found = serving_program.rate(tmp_path, contract(), "int8")

    prepared = [("prepare", b"a"), ("prepare", b"b")]
    runs = [[*prepared, ("run", threads, [b"a", b"b"]), "rated"] for threads in (1, 2)]
    assert steps == [*runs[0], *runs[1], *prepared, "rated"]
    assert found["rates"] == [{"threads": 1, "items_per_s": 4.0}, {"threads": 2, "items_per_s": 8.0}]
    assert found["prepared_per_s"] == 11.0


@pytest.mark.parametrize(("taken_s", "items"), [([0.1, 0.2, 0.6], 5), ([0.5], 2)])
def test_items_are_counted_until_half_a_second_has_passed_and_divided_by_what_has(
    monkeypatch: pytest.MonkeyPatch, taken_s: list[float], items: int
) -> None:
    ticks = iter([0.0, *taken_s])
    monkeypatch.setattr(serving_program, "perf_counter", lambda: next(ticks))

    rate = serving_program.items_per_s([[b"a", b"b"], [b"c"]], lambda _: None)

    assert rate == items / taken_s[-1]
