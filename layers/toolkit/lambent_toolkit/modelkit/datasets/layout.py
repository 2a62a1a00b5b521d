"""Folders by class: ``roses/1.jpg``, or with parts of their own, ``train/roses/1.jpg``."""

from __future__ import annotations

from pathlib import PurePosixPath

from lambent_toolkit.modelkit.datasets.candidates import (
    CONTROL_CHARACTERS,
    PART_NAMES,
    Candidate,
    Problem,
    Source,
    SourceOptions,
)
from lambent_toolkit.modelkit.datasets.manifest import Kind
from lambent_toolkit.modelkit.datasets.origins import Origin
from lambent_toolkit.modelkit.errors import SourceUnusable

# What file managers, archives and notebooks leave behind; hidden files begin with a point.
_LITTER = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})
_NAMED = 5


def read_layout(origin: Origin, options: SourceOptions) -> Source:
    """List files by class.

    Folders at the top that are all called as parts are (train, val, test, …) are the data's own split, with the
    classes below; otherwise they are the classes.

    Raises
    ------
    SourceUnusable      there is nothing, or an option for tables was given
    SourceUnavailable
    """
    kind = _kind(options)
    listing = origin.list()
    paths = [path for path in listing.paths if not _is_litter(path)]
    if not paths:
        raise SourceUnusable(
            f"{origin.address} holds no files: put each class's {'pictures' if kind == 'image' else 'texts'} into a "
            "folder of its own."
        )
    has_parts = _has_parts(paths)
    candidates: list[Candidate] = []
    problems: list[Problem] = []
    for path in paths:
        found = _place(path, has_parts=has_parts)
        (problems if isinstance(found, Problem) else candidates).append(found)  # type: ignore[arg-type]
    notes = _notes(len(listing.paths) - len(paths), [each for each in listing.empty_folders if not _is_litter(each)])
    return Source(kind, origin, origin.address, candidates, problems, notes)


def _kind(options: SourceOptions) -> Kind:
    columns = ("label", "target", "text", "image", "split", "slices", "leave_out", "separator")
    given = [name for name in columns if getattr(options, name)]
    if given:
        raise SourceUnusable(
            f"--{given[0].replace('_', '-').removesuffix('s')} is for tables: in a folder or under a prefix, the names "
            "of the sub-folders are the labels."
        )
    if options.kind == "tabular":
        raise SourceUnusable("Rows of a table come from a .csv, .tsv or .jsonl file; name that file as the source.")
    return options.kind or "image"


def _is_litter(path: str) -> bool:
    return any(part.startswith(".") or part in _LITTER for part in PurePosixPath(path).parts)


def _has_parts(paths: list[str]) -> bool:
    top = {parts[0] for path in paths if len(parts := PurePosixPath(path).parts) > 1}
    return bool(top) and all(name.lower() in PART_NAMES for name in top)


def _place(path: str, *, has_parts: bool) -> Candidate | Problem:
    shown = CONTROL_CHARACTERS.sub(
        lambda found: repr(found[0])[1:-1], path.encode("utf-8", "backslashreplace").decode()
    )
    if shown != path:
        return Problem(shown, "name_invalid", "The file's name is not UTF-8, or has control characters: rename it.")
    *folders, _ = PurePosixPath(path).parts
    if len(folders) < 1 + has_parts:
        return Problem(path, "not_in_a_class", "The file lies in no class's folder: move it into one, or away.")
    split = PART_NAMES[folders[0].lower()] if has_parts else None
    return Candidate(id=path, path=path, label=folders[int(has_parts)], split=split)


def _notes(ignored: int, empty: list[str]) -> list[str]:
    notes = [f"Ignored hidden files and file managers' leftovers: {ignored}."] if ignored else []
    if empty:
        more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
        notes.append(f"Folders without files are no classes: {', '.join(empty[:_NAMED])}{more}.")
    return notes
