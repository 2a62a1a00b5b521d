"""Where items that are files of their own lie: a folder, or a prefix of an S3 bucket."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lambent.errors import PayloadTooLarge, SourceGone
from lambent_toolkit.modelkit.errors import SourceUnavailable, SourceUnusable

S3_SCHEME = "s3://"
# More would not fit into the memory of a training, which takes all items of a part at once.
MAX_ITEMS = 1_000_000
_PERMANENT = frozenset(
    {"AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidBucketName"}
)
_GONE = frozenset({"NoSuchKey", "404"})
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Listing:
    """Paths below an origin, sorted, with "/" between their parts; and folders that hold nothing."""

    paths: list[str]
    empty_folders: list[str]


class Origin(Protocol):
    """A place with files."""

    @property
    def address(self) -> str:
        """As a person writes it, without a slash at its end."""
        ...

    @property
    def workers(self) -> int:
        """How many files are best read at the same time."""
        ...

    def list(self) -> Listing:
        """Return what there is; raises SourceUnusable, SourceUnavailable."""
        ...

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return a file.

        Raises
        ------
        SourceGone          there is no such file, or it may not be read
        PayloadTooLarge     it has more than ``max_bytes``; no more than these were read
        SourceUnavailable
        """
        ...


class FolderOrigin:
    """Files below a folder; links to folders are followed, each folder once."""

    workers = 4  # decoding leaves the interpreter's lock, and a network drive has waiting times

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @property
    def address(self) -> str:
        """The absolute path."""
        return str(self._folder)

    def list(self) -> Listing:
        """Return everything below that is no folder, links that lead nowhere included."""
        if not self._folder.is_dir():
            raise SourceUnusable(f"There is no folder {self._folder}.")
        paths: list[str] = []
        empty: list[str] = []
        seen: set[Path] = set()
        for where, folders, names in os.walk(self._folder, followlinks=True, onerror=_unlisted):
            below = os.path.relpath(where, self._folder)
            folders[:] = sorted(name for name in folders if _is_new(Path(where, name), seen))
            paths += [name if below == "." else f"{below}/{name}" for name in names]
            _check_number(len(paths), self.address)
            if not folders and not names:
                empty.append(below)
        return Listing(sorted(paths), sorted(empty))

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return a file; see `Origin.read`."""
        try:
            with open(self._folder / path, "rb", opener=_without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise SourceGone("It is no regular file.")
                body = file.read(max_bytes + 1)
        except OSError as exc:
            raise SourceGone(f"It cannot be read: {exc.strerror or exc}.") from exc
        if len(body) > max_bytes:
            raise _too_large((self._folder / path).stat().st_size, max_bytes)
        return body


class S3Origin:
    """Objects under a prefix of a bucket.

    Parameters
    ----------
    address   ``s3://bucket`` or ``s3://bucket/prefix``
    client    a boto3 client of S3; may be used by several threads
    """

    workers = 8  # below the SDK's own ten connections

    def __init__(self, address: str, client: Any) -> None:
        self.address = address.rstrip("/")
        self._bucket, _, prefix = self.address.removeprefix(S3_SCHEME).partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = client
        if not self._bucket:
            raise SourceUnusable(f"{address} names no bucket: write s3://BUCKET/PREFIX.")

    def list(self) -> Listing:
        """Return all keys below the prefix, page by page; keys that end in "/" are a console's way to show folders."""
        paths: list[str] = []
        with _telling_of_s3(self.address):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            ):
                keys = (each["Key"] for each in page.get("Contents", ()))
                paths += [key.removeprefix(self._prefix) for key in keys if not key.endswith("/")]
                _check_number(len(paths), self.address)
        return Listing(sorted(paths), [])

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return an object; see `Origin.read`."""
        with _telling_of_s3(f"{self.address}/{path}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + path)
            if answer["ContentLength"] > max_bytes:
                answer["Body"].close()
                raise _too_large(answer["ContentLength"], max_bytes)
            return bytes(answer["Body"].read())


def open_origin(address: str, s3: Any = None) -> Origin:
    """Return the origin at an address; ``s3`` is a boto3 client, made from the SDK's own settings unless given."""
    if not address.startswith(S3_SCHEME):
        return FolderOrigin(Path(address))
    if s3 is None:
        from boto3.session import Session  # half a second of imports

        with _telling_of_s3(address):
            # Not boto3's default session, which keeps the credentials of whoever asked for it first.
            s3 = Session().client("s3")
    return S3Origin(address, s3)


def in_order(work: Callable[[A], B], arguments: Iterable[A], *, workers: int) -> Iterator[B]:
    """Yield ``work`` of every argument in the arguments' order; at most twice ``workers`` results wait at any time."""
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for argument in arguments:
                waiting.append(pool.submit(work, argument))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _telling_of_s3(what: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ParamValidationError

    try:
        yield
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "Unknown")
        if code in _GONE:
            raise SourceGone("There is no such object any more.") from exc
        if code in _PERMANENT:
            raise SourceUnusable(
                f"{what}: S3 refuses access ({code}): check the name, your rights and region."
            ) from exc
        raise SourceUnavailable(f"{what}: S3 did not answer ({code}); try again.") from exc
    except (NoCredentialsError, NoRegionError, ParamValidationError) as exc:
        raise SourceUnusable(f"{what}: {exc} Set AWS_PROFILE, or the SDK's other variables.") from exc
    except BotoCoreError as exc:
        raise SourceUnavailable(f"{what}: S3 could not be reached ({exc}); try again.") from exc


def _unlisted(error: OSError) -> None:
    raise SourceUnusable(f"The folder {error.filename} cannot be read: {error.strerror}.") from error


def _is_new(folder: Path, seen: set[Path]) -> bool:
    if not folder.is_symlink():
        return True
    real = folder.resolve()
    # A link to a folder above would never end.
    is_new = real not in seen and not folder.parent.resolve().is_relative_to(real)
    seen.add(real)
    return is_new


def _without_waiting(path: str, flags: int) -> int:
    # A pipe that nobody writes to would stop the whole command.
    return os.open(path, flags | os.O_NONBLOCK)


def _check_number(number: int, where: str) -> None:
    if number > MAX_ITEMS:
        raise SourceUnusable(
            f"{where} holds more than {MAX_ITEMS:,} files, the most a data set takes: name a part of it."
        )


def _too_large(size_bytes: int, max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"It has {size_bytes} bytes, at most {max_bytes} are taken.", limit=max_bytes, got=size_bytes
    )
