"""Run model files in the serving interpreter: processes with the layers' packages and none of this environment's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np

from lambent.contracts.model import ModelContract, TensorPreprocessing
from lambent.contracts.tensor import Array
from lambent.contracts.throughput import ServedRate
from lambent.domain.model import CONTRACT_FILE
from lambent.services.golden import GoldenVectors
from lambent_toolkit.modelkit.errors import ServingRefused
from lambent_toolkit.modelkit.serving_process import run_program, serving_layers
from lambent_toolkit.modelkit.tensor_items import stack_items
from lambent_toolkit.modelkit.whole_files import telling_of_full_disks

_TIMEOUT_S = 120.0
_TIMEOUT_AN_ITEM_S = 0.5
_ONLY = "model"  # what `serve` calls its one variant


@dataclass(frozen=True)
class Place:
    """The serving interpreter.

    Parameters
    ----------
    runtime    ai-edge-litert or tflite-runtime
    versions   of Python and of the packages that matter
    origins    file of every module that the process had loaded
    """

    runtime: str
    versions: dict[str, str]
    origins: list[str]


@dataclass(frozen=True)
class Answers:
    """What a variant answered to all items.

    Parameters
    ----------
    outputs       (n, …) by the contract's names
    output_step   distance of two neighbouring values of the outputs, the largest; 0 if none is quantized
    load_ms       reading the file into a ready interpreter, median of three
    """

    outputs: dict[str, Array]
    output_step: float
    load_ms: float


@dataclass(frozen=True)
class ServingRun:
    """What the serving interpreter did with one model.

    Parameters
    ----------
    golden                         raw items with the tensors and outputs made there
    output_step, load_ms           as in `Answers`
    p50_ms, p99_ms                 one row through the adapter, one thread
    runtime, versions, origins     as in `Place`
    """

    golden: GoldenVectors
    output_step: float
    load_ms: float
    p50_ms: float
    p99_ms: float
    runtime: str
    versions: dict[str, str]
    origins: list[str]


class ServingBench:
    """Items, prepared once in the serving interpreter, and variants that are run on them there; a context manager.

    Each variant answers in a process of its own, so that one that kills its interpreter costs none of the others. The
    tensors and answers lie in files of a temporary folder, not in memory.

    Parameters
    ----------
    contract
    assets        files that the contract's preprocessing needs, by name
    python_path   folders to import from; the built layers if None
    """

    def __init__(
        self,
        contract: ModelContract,
        *,
        assets: Mapping[str, bytes] | None = None,
        python_path: Sequence[Path] | None = None,
    ) -> None:
        self._contract = contract
        self._assets = assets or {}
        self._python_path = serving_layers() if python_path is None else tuple(python_path)
        self._items = 0

    def __enter__(self) -> Self:
        """Make the folder."""
        self._kept = TemporaryDirectory(prefix="lambent-serving-")
        self._folder = Path(self._kept.name)
        for name in ("assets", "tensors", "variants"):
            (self._folder / name).mkdir()
        (self._folder / CONTRACT_FILE).write_bytes(msgspec.json.encode(self._contract))
        for name, body in self._assets.items():
            (self._folder / "assets" / name).write_bytes(body)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the folder."""
        self._kept.cleanup()

    def put(self, variant: str, file: bytes) -> None:
        """Take in a variant's .tflite file; raises FolderNotWritable."""
        with telling_of_full_disks(self._folder):
            (self._folder / "variants" / f"{variant}.tflite").write_bytes(file)

    def prepare(self, items: Sequence[bytes]) -> Place:
        """Preprocess raw items there; items of a model that takes tensors are those of `encode_item`.

        Raises
        ------
        ServingRefused       an item was refused
        ServingCheckFailed
        DataUnfit            tensors that are not the contract's
        FolderNotWritable
        """
        self._take_items(items)
        self._run("prepare")
        return Place(**self._figures("prepared"))

    def predict(self, variant: str) -> Answers:
        """Answer all items with a variant.

        Raises
        ------
        ServingRefused       the adapter refused the file
        ServingCheckFailed   the interpreter crashed or took too long
        """
        self._run(f"predict:{variant}")
        return self._answers(variant)

    def time(self, variants: Sequence[str]) -> dict[str, dict[int, list[list[float]]]]:
        """Return the milliseconds of single rows: by variant and number of threads, a list for each round."""
        self._run(f"time:{','.join(variants)}", timeout_s=_TIMEOUT_S * (1 + len(variants)))
        return self._timing()

    def rate(self, variant: str) -> ServedRate:
        """Return a variant's items a second as in the CPU lane; raises ServingRefused, ServingCheckFailed."""
        self._run(f"rate:{variant}")
        return msgspec.convert(self._figures("rate"), ServedRate)

    def tensors(self) -> dict[str, Array]:
        """Return what preprocessing made of the items, mapped from files that go with the folder."""
        return {
            spec.name: np.load(self._folder / "tensors" / f"{number}.npy", mmap_mode="r")
            for number, spec in enumerate(self._contract.inputs)
        }

    def run_one(self, file: bytes, items: Sequence[bytes], *, tensors: Mapping[str, Array] | None = None) -> ServingRun:
        """Take all steps with one variant in one process; raises as they do."""
        self._take_items(items, tensors)
        self.put(_ONLY, file)
        self._run("prepare", f"predict:{_ONLY}", f"time:{_ONLY}", timeout_s=2 * _TIMEOUT_S)
        # In the order of the steps: what one of them refuses, the later ones have no figures of.
        place = Place(**self._figures("prepared"))
        answers = self._answers(_ONLY)
        p50_ms, p99_ms = np.percentile(np.concatenate(self._timing()[_ONLY][1]), (50, 99))
        return ServingRun(
            golden=GoldenVectors(
                [] if self._takes_tensors else list(items),
                {name: np.array(array) for name, array in self.tensors().items()},
                answers.outputs,
            ),
            output_step=answers.output_step,
            load_ms=answers.load_ms,
            p50_ms=float(p50_ms),
            p99_ms=float(p99_ms),
            runtime=place.runtime,
            versions=place.versions,
            origins=place.origins,
        )

    def _take_items(self, items: Sequence[bytes], tensors: Mapping[str, Array] | None = None) -> None:
        self._items = len(items)
        if tensors is None and self._takes_tensors:
            tensors = stack_items(items, self._contract)
        with telling_of_full_disks(self._folder):
            if tensors is None:
                (self._folder / "items.npz").write_bytes(GoldenVectors(list(items), {}, {}).to_npz())
                return
            for number, spec in enumerate(self._contract.inputs):
                np.save(self._folder / "tensors" / f"{number}.npy", tensors[spec.name])
        self._items = len(tensors[self._contract.inputs[0].name])

    @property
    def _takes_tensors(self) -> bool:
        return isinstance(self._contract.preprocessing, TensorPreprocessing)

    def _answers(self, variant: str) -> Answers:
        figures = self._figures(variant)
        with np.load(self._folder / f"{variant}.npz", allow_pickle=False) as file:
            return Answers(outputs=dict(file), **figures)

    def _timing(self) -> dict[str, dict[int, list[list[float]]]]:
        taken = self._figures("timing")["taken_ms"]
        return {name: {int(threads): rounds for threads, rounds in by.items()} for name, by in taken.items()}

    def _figures(self, name: str) -> dict[str, Any]:
        figures: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_text())
        if "refused" in figures:
            raise ServingRefused(**figures["refused"])
        return figures

    def _run(self, *steps: str, timeout_s: float = _TIMEOUT_S) -> None:
        run_program(
            [str(self._folder), *steps],
            python_path=self._python_path,
            timeout_s=timeout_s + _TIMEOUT_AN_ITEM_S * self._items,
        )


def serve(
    model: bytes,
    contract: ModelContract,
    items: Sequence[bytes],
    *,
    assets: Mapping[str, bytes] | None = None,
    python_path: Sequence[Path] | None = None,
    tensors: Mapping[str, Array] | None = None,
) -> ServingRun:
    """Predict raw items, or ready tensors, with a .tflite file as Lambda would.

    Parameters
    ----------
    model         bytes of the .tflite file
    contract
    items         raw items: pictures, texts or rows; at least one, unless there are ``tensors``
    assets        files that the contract's preprocessing needs, by name
    python_path   folders to import from; the built layers if None
    tensors       inputs to predict as they are, of a model that takes tensors; a fixed batch is one call, or several

    Raises
    ------
    ServingRefused       the adapter refused the model or an item
    ServingCheckFailed   the process ended without an answer, e.g. the interpreter crashed
    BuildFailed          the layers could not be built
    """
    with ServingBench(contract, assets=assets, python_path=python_path) as bench:
        return bench.run_one(model, items, tensors=tensors)
