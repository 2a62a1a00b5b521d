"""Reading a batch's input into a plan's items: time of one core and memory, for a million items of each kind.

`.venv/bin/python tests/bench/bench_inputs.py [ITEMS]`; each kind is read in a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile

import duckdb

from lambent.adapters.sacrificial_child import ForkedIsolation
from lambent.contracts.batch_request import BatchInput
from lambent.contracts.model import (
    CategoricalColumn,
    Classification,
    ImagePreprocessing,
    ModelContract,
    NumericColumn,
    TabularPreprocessing,
    TensorSpec,
)
from lambent.ports import Downloaded, ObjectHead
from lambent.services.read_items import read_items
from lambent.services.read_zip import MAX_ENTRIES
from lambent.services.spool_items import ItemSpool
from lambent_toolkit.fakes import FakeObjectStore

HOME = "inputs/acme/"
KINDS = ("jsonl", "csv", "parquet", "zip")
_PIECE_BYTES = 1 << 20


class FileStore(FakeObjectStore):
    """One large object, which lies in a file so that only the reader's own memory is measured."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def download(self, key: str, file: BinaryIO, **_: object) -> Downloaded:  # noqa: ARG002
        """Copy the file piece by piece."""
        with self._path.open("rb") as source:
            while piece := source.read(_PIECE_BYTES):
                file.write(piece)
        return Downloaded("", self._path.stat().st_size)

    def head(self, key: str) -> ObjectHead:  # noqa: ARG002
        """Return its size."""
        return ObjectHead("etag", self._path.stat().st_size, "", 0.0)

    def read_range(self, key: str, start: int, stop: int, **_: object) -> bytes:  # noqa: ARG002
        """Read a part of the file."""
        with self._path.open("rb") as source:
            source.seek(start)
            return source.read(stop - start)


def write(path: Path, items: int) -> None:
    """Write an input of so many items, of the kind that the file's ending says."""
    if path.suffix == ".zip":
        with ZipFile(path, "w", ZIP_STORED) as archive:
            for number in range(items):
                archive.writestr(f"some/folder/picture-{number:08d}.jpg", b"jpeg")
    elif path.suffix == ".parquet":
        with duckdb.connect() as database:
            rows = f"range AS id, range * 0.5 AS width, range * 0.25 AS height, 'red' AS colour FROM range({items})"
            database.execute(f"COPY (SELECT {rows}) TO '{path}' (FORMAT parquet)")
    else:
        with path.open("w") as file:
            if path.suffix == ".csv":
                file.write("id,width,height,colour\n")
                file.writelines(f"{number},{number * 0.5},{number * 0.25},red\n" for number in range(items))
            else:
                uri = f"s3://fake-bucket/{HOME}pictures/"
                file.writelines(
                    f'{{"id": "p{number:08d}", "uri": "{uri}{number:08d}.jpg"}}\n' for number in range(items)
                )


def contract(kind: str) -> ModelContract:
    """Return a contract of a model that takes such items."""
    tensor = TensorSpec(name="x", datatype="FP32", shape=(-1, 2, 2, 1))
    numbers = NumericColumn(name="width"), NumericColumn(name="height")
    rows = TabularPreprocessing(columns=(*numbers, CategoricalColumn(name="colour", vocabulary=("red",))))
    is_table = kind in ("csv", "parquet")
    return ModelContract(
        name="bench",
        inputs=(tensor,),
        outputs=(tensor,),
        preprocessing=rows if is_table else ImagePreprocessing(height=2, width=2, channels=1),
        postprocessing=Classification(labels=("dark", "bright")),
    )


def read(path: Path, items: int) -> str:
    """Read one input as the planner does; return a line of the table."""
    kind = path.suffix.removeprefix(".")
    store = FileStore(path)
    isolation = ForkedIsolation(timeout_s=300.0, memory_bytes=256 << 20, file_bytes=512 << 20)
    before_mib, start_s = peak_mib(), process_time() + children_s()
    source = BatchInput(uri=store.uri(f"{HOME}all.{kind}"))
    with ItemSpool() as spool:
        spool.add_all(read_items(store, source, tenant="acme", contract=contract(kind), isolation=isolation))
        used_s = process_time() + children_s() - start_s
        assert len(spool) == items
    size_mib = path.stat().st_size / 2**20
    return (
        f"{kind:8}{items:>10,} items {size_mib:6.0f} MiB {used_s:6.1f} s {items / used_s:>9,.0f} items/s   "
        f"peak {before_mib:.0f} -> {peak_mib():.0f} MiB, its child {peak_mib(resource.RUSAGE_CHILDREN):.0f} MiB"
    )


def peak_mib(who: int = resource.RUSAGE_SELF) -> float:
    """Return the most memory that this process, or its largest child, has had so far."""
    return resource.getrusage(who).ru_maxrss / 1024


def children_s() -> float:
    """Return the processor time of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Write and read one kind after the other, or with a path read it."""
    if len(sys.argv) > 2:
        print(read(Path(sys.argv[1]), int(sys.argv[2])))
        return
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for kind in KINDS:
        items = min(asked, MAX_ENTRIES) if kind == "zip" else asked
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"all.{kind}"
            write(path, items)
            subprocess.run([sys.executable, __file__, str(path), str(items)], check=True)


if __name__ == "__main__":
    main()
