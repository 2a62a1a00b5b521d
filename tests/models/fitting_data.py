"""A few items that fit a contract, as a file for ``--data`` or as a data set: noise, with labels in turns."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    ModelContract,
    Regression,
    TabularPreprocessing,
    TensorPreprocessing,
    TensorSpec,
)
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent_toolkit.cli.main import app

# `quantize` wants ten items to measure on. Each of the three parts has the same ones, so that calibration has seen
# them: what is measured is the rounding of a form, and not how rare the extremes of noise are.
ITEMS = 12
PARTS = [part for part in ("train", "validation", "test") for _ in range(ITEMS)]
WORDS = tuple(f"w{number}" for number in range(18))
# Categories and token ids: in every vocabulary here.
_IDS = 4
_FREE = 6
_SEED = 17
_NAME = "fitting"


def fitting_data(contract: ModelContract, folder: Path) -> str:
    """Write data into a folder, whose data sets are those of the folder; return what ``--data`` is to be there."""
    rng = np.random.default_rng(_SEED)
    answers = _answers(contract, rng)
    if isinstance(contract.preprocessing, TensorPreprocessing):
        tensors = {spec.name: np.concatenate([_noise(spec, rng)] * (len(PARTS) // ITEMS)) for spec in contract.inputs}
        np.savez(folder / "items.npz", **tensors, **answers, split=np.array(PARTS))
        return "items.npz"
    answers = answers or {"labels": np.array(["a", "b"])[np.arange(len(PARTS)) % 2]}
    ((column, values),) = answers.items()
    lines = [
        {**_item(contract, folder, row), column.removesuffix("s"): values[row].item(), "split": part}
        for row, part in enumerate(PARTS)
    ]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, lines)))
    columns = {"targets": ["--target", "target"]}.get(column, [])
    pictures = ["--image", "image"] if isinstance(contract.preprocessing, ImagePreprocessing) else []
    with contextlib.chdir(folder):
        done = CliRunner().invoke(
            app, ["data", "add", _NAME, "items.jsonl", "--near-duplicates", "ignore", *columns, *pictures]
        )
    assert done.exit_code == 0, done.output
    return _NAME


def _answers(contract: ModelContract, rng: np.random.Generator) -> dict[str, Array]:
    spec = contract.postprocessing
    if isinstance(spec, Classification):
        return {"labels": np.array(spec.labels)[np.arange(len(PARTS)) % len(spec.labels)]}
    return {"targets": rng.standard_normal(len(PARTS))} if isinstance(spec, Regression) else {}


def _noise(spec: TensorSpec, rng: np.random.Generator) -> Array:
    shape = [ITEMS, *(_FREE if side == -1 else side for side in spec.shape[1:])]
    dtype = np.dtype(DTYPE_BY_DATATYPE[spec.datatype])
    numbers = rng.standard_normal(shape) if dtype.kind == "f" else rng.integers(0, _IDS, shape)
    return np.asarray(numbers, dtype)


def _item(contract: ModelContract, folder: Path, row: int) -> dict[str, Any]:
    """Return a table's row of one item, whose picture is written into a file of its own.

    Of each part there is a twin that is all but the same: a data set takes no copies in several parts.
    """
    twin, rng, spec = row // ITEMS, np.random.default_rng((_SEED, row % ITEMS)), contract.preprocessing
    if isinstance(spec, ImagePreprocessing):
        pixels = rng.integers(0, 256, (spec.height, spec.width, spec.channels), dtype=np.uint8)
        pixels[0, 0] = twin
        Image.fromarray(pixels.squeeze()).save(folder / f"{row}.png")
        return {"image": f"{row}.png"}
    if isinstance(spec, TabularPreprocessing):
        return {each.name: round(rng.standard_normal() + twin / 1000, 4) for each in spec.columns}
    words = rng.choice(WORDS, rng.integers(3, _FREE))
    return {"text": " ".join(np.roll(words, twin))}


def write_tokenizer(file: Path) -> None:
    """Write the tokenizer of `WORDS`, which are the tokens from 2 on."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel({"[PAD]": 0, "?": 1, **{word: 2 + n for n, word in enumerate(WORDS)}}, "?"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.save(str(file))
