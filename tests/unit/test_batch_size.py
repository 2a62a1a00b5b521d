"""The warm-up that finds a batch size, on a model whose speed and memory are made up."""

from collections.abc import Callable

import numpy as np
import pytest

from builders import contract
from lambent.contracts.model import TensorSpec, TextPreprocessing
from lambent.domain.model import ModelRef
from lambent.domain.preprocessing import make_preprocessor
from lambent.domain.preprocessing.padding import Padding, largest_batch, pad_batch
from lambent.errors import MemoryExhausted
from lambent.services.find_batch_size import BatchSizeFinder
from lambent.services.load_model import ServedModel
from lambent_toolkit.fakes import FakeInterpreter

PLENTY = 1 << 40


class Device:
    """A model that takes ``fixed_s + rows * row_s`` a batch, with memory for ``most`` rows."""

    def __init__(self, *, fixed_s: float, row_s: float, most: int = PLENTY, row_bytes: int = 0) -> None:
        self.now_s, self.free_bytes = 0.0, PLENTY
        self.seen: list[int] = []
        self._cost_s: Callable[[int], float] = lambda rows: fixed_s + rows * row_s
        self._most, self._row_bytes = most, row_bytes

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = len(inputs["image"])
        self.seen.append(rows)
        if rows > self._most:
            raise MemoryExhausted("too many rows")
        self.now_s += self._cost_s(rows)
        self.free_bytes = min(self.free_bytes, PLENTY - rows * self._row_bytes)
        return {"scores": np.zeros((rows, 2), np.float32)}

    def find(self, most: int) -> int:
        declared = contract()
        model = ServedModel(ModelRef("m", 1), declared, FakeInterpreter(self.run), make_preprocessor(declared, {}), 1)
        return BatchSizeFinder(lambda: self.free_bytes, lambda: self.now_s).find(model, most)


def test_the_batch_is_doubled_while_that_pays() -> None:
    assert Device(fixed_s=0.1, row_s=0.001).find(4096) == 512  # 1,024 would gain 8 %
    assert Device(fixed_s=0.0, row_s=0.001).find(4096) == 8


def test_the_batch_is_never_larger_than_it_may_be() -> None:
    device = Device(fixed_s=0.1, row_s=0.0)

    assert device.find(64) == 64
    assert max(device.seen) == 64
    assert device.find(5) == 5


@pytest.mark.parametrize(("most", "size"), [(100, 64), (8, 8), (7, 4), (1, 1)])
def test_the_batch_fits_the_accelerators_memory(most: int, size: int) -> None:
    assert Device(fixed_s=0.1, row_s=0.0, most=most).find(4096) == size


def test_a_host_without_memory_for_one_item_says_so() -> None:
    with pytest.raises(MemoryExhausted):
        Device(fixed_s=0.1, row_s=0.0, most=0).find(4096)


def test_the_batch_stops_growing_before_the_hosts_memory_is_full() -> None:
    device = Device(fixed_s=0.1, row_s=0.0, row_bytes=PLENTY // 100)

    assert device.find(4096) == 64
    assert max(device.seen) == 64  # the next one would take 128 % of it


def test_a_batch_is_padded_with_its_last_row_and_one_that_fits_is_not_copied() -> None:
    rows = np.arange(8, dtype=np.float32).reshape(2, 2, 2, 1)

    padded = pad_batch({"image": rows}, contract(), Padding(4, has_few_lengths=True))["image"]

    assert padded.shape == (4, 2, 2, 1)
    assert (padded[2:] == rows[1]).all()
    assert pad_batch({"image": rows}, contract(), Padding(2, has_few_lengths=True))["image"] is rows


@pytest.mark.parametrize(("tokens", "padded"), [(3, 16), (16, 16), (17, 32), (40, 50)])
def test_texts_are_padded_to_few_lengths(tokens: int, padded: int) -> None:
    spec = TextPreprocessing(max_tokens=50, pad_id=9, ids_input="ids", mask_input="mask", tokenizer_sha256="0" * 64)
    declared = contract(
        preprocessing=spec,
        inputs=tuple(TensorSpec(name=name, datatype="INT32", shape=(-1, -1)) for name in ("ids", "mask")),
    )
    ones = np.ones((1, tokens), np.int32)

    batch = pad_batch({"ids": ones, "mask": ones}, declared, Padding(2, has_few_lengths=True))

    assert batch["ids"].shape == batch["mask"].shape == (2, padded)
    assert (batch["ids"][:, tokens:] == 9).all()
    assert (batch["mask"][:, tokens:] == 0).all()
    assert pad_batch({"ids": ones}, declared, Padding(1, has_few_lengths=False))["ids"] is ones
    assert largest_batch(declared, 3)["ids"].shape == (3, 50)
