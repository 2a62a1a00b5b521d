"""A Dockerfile run without Docker: its COPY lines become a folder, its ENTRYPOINT a command of this interpreter.

RUN lines are skipped; the packages they install must be in the environment that runs the stack.
"""

from __future__ import annotations

import io
import json
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dockerfile_parse import DockerfileParser

from lambent_toolkit.sandbox.errors import BrokenTemplate

PYTHON_NAMES = {"python", "python3", f"python{sys.version_info.major}.{sys.version_info.minor}"}


@dataclass(frozen=True)
class ImageRecipe:
    """What of a Dockerfile matters for starting its program.

    Parameters
    ----------
    work_dir : PurePosixPath            absolute path inside the image
    copies : tuple                      (source relative to the context, absolute target, target is a folder)
    environment : dict
    entrypoint, command : tuple
    """

    work_dir: PurePosixPath
    copies: tuple[tuple[str, PurePosixPath, bool], ...]
    environment: dict[str, str]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]


def read_dockerfile(text: str) -> ImageRecipe:
    """Read the last stage of a Dockerfile.

    Raises
    ------
    BrokenTemplate   it copies from another stage
    """
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()))
    work_dir = PurePosixPath("/")
    copies: list[tuple[str, PurePosixPath, bool]] = []
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    for step in parser.structure:
        instruction, value = step["instruction"], step["value"]
        if instruction == "FROM":
            work_dir, copies, entrypoint, command = PurePosixPath("/"), [], (), ()
        elif instruction == "WORKDIR":
            work_dir /= value
        elif instruction in ("COPY", "ADD"):
            copies += _copies(value, work_dir)
        elif instruction == "ENTRYPOINT":
            entrypoint = _words(value)
        elif instruction == "CMD":
            command = _words(value)
    return ImageRecipe(work_dir, tuple(copies), dict(parser.envs), entrypoint, command)


def _copies(value: str, work_dir: PurePosixPath) -> list[tuple[str, PurePosixPath, bool]]:
    words = list(json.loads(value)) if value.startswith("[") else shlex.split(value)
    flags = [word for word in words if word.startswith("--")]
    if any(flag.startswith("--from") for flag in flags):
        raise BrokenTemplate(f"COPY {value}: copying from another stage does not work without Docker")
    *sources, target = [word for word in words if word not in flags]
    is_folder = target.endswith("/") or target in (".", "./") or len(sources) > 1
    return [(source, work_dir / target, is_folder) for source in sources]


def _words(value: str) -> tuple[str, ...]:
    return tuple(json.loads(value)) if value.startswith("[") else ("/bin/sh", "-c", value)


@dataclass(frozen=True)
class WorkerImage:
    """An unpacked image: a folder that stands for its root."""

    recipe: ImageRecipe
    root: Path

    @property
    def work_dir(self) -> Path:
        """Folder that the program starts in."""
        return self._inside(self.recipe.work_dir)

    def command(self, arguments: list[str]) -> list[str]:
        """Return the command line; `arguments` take the place of CMD, as a job's command does."""
        words = [*self.recipe.entrypoint, *(arguments or self.recipe.command)]
        return [sys.executable if word in PYTHON_NAMES else word for word in words[:1]] + words[1:]

    @classmethod
    def unpack(cls, dockerfile: Path, *, context: Path, root: Path) -> WorkerImage:
        """Copy what the Dockerfile copies.

        Raises
        ------
        BrokenTemplate   the Dockerfile or one of its sources does not exist
        """
        if not dockerfile.is_file():
            raise BrokenTemplate(f"CannotPullContainerError: there is no {dockerfile.relative_to(context)}")
        image = cls(read_dockerfile(dockerfile.read_text()), root)
        shutil.rmtree(root, ignore_errors=True)
        image.work_dir.mkdir(parents=True)
        for source, target, is_folder in image.recipe.copies:
            image._copy(context / source, image._inside(target), is_folder)
        return image

    def _inside(self, path: PurePosixPath) -> Path:
        return self.root / path.relative_to("/")

    def _copy(self, source: Path, target: Path, is_folder: bool) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            place = target / source.name if is_folder else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place)
        else:
            raise BrokenTemplate(f"CannotPullContainerError: COPY {source.name}: no such file")
