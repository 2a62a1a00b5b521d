"""Run a recipe's own code; what it raises is told by file, line and exception, without our traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lambent.errors import LambentError
from lambent_toolkit.modelkit.errors import ModelkitError, RecipeFailed

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.recipe import Recipe


@contextmanager
def calling(recipe: Recipe, function: str) -> Iterator[None]:
    """Turn what the block raises into RecipeFailed; for a recipe of the user's own only.

    Our own coded errors, such as that of an unknown data set, say what to do already and pass as they are. In a
    built-in recipe any other exception is our fault and keeps its traceback.
    """
    if recipe.path is None:
        yield
        return
    with running(Path(recipe.path), f"in {function}()"):
        yield


@contextmanager
def running(path: Path, where: str) -> Iterator[None]:
    """Turn what the code of a file raises into RecipeFailed, which names the innermost line of that file."""
    try:
        yield
    except (ModelkitError, LambentError):
        raise
    # A recipe that calls sys.exit() would end the command as if all were well.
    except (Exception, SystemExit) as exc:
        reason = " ".join(str(exc).split())[:500]
        told = f"{type(exc).__name__}: {reason}" if reason else type(exc).__name__
        raise RecipeFailed(f"{path.name}{_line(exc, path)} {where}: {told}") from exc


def _line(exc: Exception, path: Path) -> str:
    if isinstance(exc, SyntaxError) and exc.filename == str(path):
        return f", line {exc.lineno},"
    lines = [frame.lineno for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}," if lines else ""
