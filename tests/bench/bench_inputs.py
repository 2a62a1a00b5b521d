"""Planning a batch of a million items: what reading them costs in time and memory, from a JSONL manifest.

`.venv/bin/python tests/bench/bench_inputs.py [ITEMS]`
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import BinaryIO

from lambent.contracts.batch_request import BatchInput
from lambent.contracts.model import Classification, ImagePreprocessing, ModelContract, TensorSpec
from lambent.ports import Downloaded
from lambent.services.read_items import read_items
from lambent.services.spool_items import ItemSpool
from lambent_toolkit.fakes import FakeIsolation, FakeObjectStore

TENANT = "acme"


class FileStore(FakeObjectStore):
    """One large object, which lies in a file so that only the reader's own memory is measured."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def download(self, key: str, file: BinaryIO, **_: object) -> Downloaded:  # noqa: ARG002
        """Copy the file piece by piece."""
        with self._path.open("rb") as source:
            while piece := source.read(1 << 20):
                file.write(piece)
        return Downloaded("", self._path.stat().st_size)


def main() -> None:
    """Write the manifest, read it, print."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with TemporaryDirectory() as folder:
        path = Path(folder) / "items.jsonl"
        with path.open("w") as manifest:
            for number in range(items):
                uri = f"s3://fake-bucket/inputs/{TENANT}/pictures/{number:08d}.jpg"
                manifest.write(f'{{"id": "picture-{number:08d}", "uri": "{uri}"}}\n')
        store = FileStore(path)
        before_mib = peak_mib()
        start_s = process_time()
        source = BatchInput(uri=store.uri(f"inputs/{TENANT}/items.jsonl"))
        with ItemSpool() as spool:
            spool.add_all(read_items(store, source, tenant=TENANT, contract=_contract(), isolation=FakeIsolation()))
            used_s = process_time() - start_s
            assert len(spool) == items
        print(
            f"{items:,} items of a {path.stat().st_size / 2**20:.0f} MiB manifest: {used_s:.1f} s of one core, "
            f"{items / used_s:,.0f} items/s; peak memory {before_mib:.0f} -> {peak_mib():.0f} MiB"
        )


def _contract() -> ModelContract:
    tensor = TensorSpec(name="image", datatype="FP32", shape=(-1, 2, 2, 1))
    return ModelContract(
        name="shade",
        inputs=(tensor,),
        outputs=(tensor,),
        preprocessing=ImagePreprocessing(height=2, width=2, channels=1),
        postprocessing=Classification(labels=("dark", "bright")),
    )


def peak_mib() -> float:
    """Return the most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
