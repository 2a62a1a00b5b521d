"""A bundle is named by what is in it, holds what was put in, and is refused when it is none."""

from __future__ import annotations

import errno
import os
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from lambent_toolkit.modelkit.errors import BundleTooLarge, FolderNotWritable, RunUnreadable
from lambent_toolkit.remote.bundle import HERE, Contents, Order, RecipeOrder, unpack
from lambent_toolkit.remote.records import encode

ORDER = Order(
    task="train",
    recipe=RecipeOrder(name="digits", settings={"epochs": 3}, origin_name="digits"),
    tools={"keras": "3"},
)


def filled(tmp_path: Path, *, reverse: bool = False) -> Contents:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    files: list[tuple[str, Path | bytes]] = [("data/picture.png", tmp_path / "picture.png"), ("mine.py", b"x = 1")]
    contents = Contents()
    for path, content in reversed(files) if reverse else files:
        contents.add(path, content)
    return contents


def test_same_contents_give_the_same_bytes_whenever_and_in_whatever_order(tmp_path: Path) -> None:
    first = filled(tmp_path).write(tmp_path / "one.zip", ORDER)
    os.utime(tmp_path / "picture.png", (1, 1))

    second = filled(tmp_path, reverse=True).write(tmp_path / "two.zip", ORDER)

    assert first == second == sha256((tmp_path / "one.zip").read_bytes()).hexdigest()
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_other_contents_or_another_order_have_another_name(tmp_path: Path) -> None:
    more = filled(tmp_path)
    more.add("more", b"")
    other = Order(task="train", recipe=ORDER.recipe, tools={"keras": "4"})

    names = {
        filled(tmp_path).write(tmp_path / "a.zip", ORDER),
        more.write(tmp_path / "b.zip", ORDER),
        filled(tmp_path).write(tmp_path / "c.zip", other),
    }

    assert len(names) == 3


def test_what_was_packed_is_unpacked_with_its_order(tmp_path: Path) -> None:
    filled(tmp_path).write(tmp_path / "one.zip", ORDER)

    order = unpack(tmp_path / "one.zip", tmp_path / "there")

    assert order == ORDER
    assert (tmp_path / "there" / HERE / "data/picture.png").read_bytes() == b"\x89PNG"
    assert (tmp_path / "there" / HERE / "mine.py").read_bytes() == b"x = 1"


def test_more_than_the_limit_is_refused_while_it_is_collected(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(b"x" * 6)
    contents = Contents(max_bytes=10)
    contents.add("one", tmp_path / "half")
    contents.add("one", tmp_path / "half")  # the same place is taken once

    with pytest.raises(BundleTooLarge, match=r"more than 0\.0 GB of files.*lambent data add NAME s3://"):
        contents.add("two", b"x" * 5)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "here/../../up"])
def test_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("order.json", encode(ORDER))
        archive.writestr(name, "x")

    with pytest.raises(RunUnreadable, match="leads out of it"):
        unpack(tmp_path / "evil.zip", tmp_path / "there")

    assert not (tmp_path / "there").exists()


def test_archive_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path) -> None:
    contents = Contents()
    contents.add("zeros.json", b"0" * 100_000)
    contents.write(tmp_path / "bomb.zip", ORDER)

    with pytest.raises(RunUnreadable, match="too large"):
        unpack(tmp_path / "bomb.zip", tmp_path / "there", max_bytes=50_000)


@pytest.mark.parametrize(
    ("files", "told"), [({}, "is none"), ({"order.json": b"{}"}, "order.json is none of this release")]
)
def test_what_is_no_bundle_is_told(tmp_path: Path, files: dict[str, bytes], told: str) -> None:
    with ZipFile(tmp_path / "some.zip", "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    (tmp_path / "text.zip").write_bytes(b"no archive")

    with pytest.raises(RunUnreadable, match=told):
        unpack(tmp_path / "some.zip", tmp_path)
    with pytest.raises(RunUnreadable, match="is none"):
        unpack(tmp_path / "text.zip", tmp_path)


def test_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    contents = filled(tmp_path)
    monkeypatch.setattr("shutil.copyfileobj", full)

    with pytest.raises(FolderNotWritable, match="No space left"):
        contents.write(tmp_path / "one.zip", ORDER)
