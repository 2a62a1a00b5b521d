"""What a source offers before anything is read of it, and how to read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from lambent.contracts.model import Limits
from lambent_toolkit.modelkit.datasets.manifest import Kind
from lambent_toolkit.modelkit.datasets.origins import Origin
from lambent_toolkit.modelkit.splitting import Part

# Names that data sets of the world use for the three parts.
PART_NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


# They would move the cursor of a terminal, or end a line of a log.
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f]")


class Problem(msgspec.Struct, frozen=True):
    """An item that cannot be used.

    Parameters
    ----------
    where    its path, or ``line 17``
    code     stable: an error code of serving, or ``label_missing``, ``not_in_a_class``, ``row_ragged`` …
    reason   a sentence
    """

    where: str
    code: str
    reason: str


@dataclass(frozen=True)
class Candidate:
    """One item of a source.

    Parameters
    ----------
    path     below the source's origin, of an item that is a file of its own
    body     the raw item, of a table's row
    split    what the source says itself
    """

    id: str
    path: str | None = None
    body: bytes | None = None
    label: str | None = None
    target: float | None = None
    split: Part | None = None
    slices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A source that was listed.

    Parameters
    ----------
    origin           of candidates with a path
    address          what the data set's record calls it
    problems         of what is no candidate at all
    notes            what the reader should know: ignored files, empty folders, which columns were taken
    is_regression    candidates have targets, not labels
    """

    kind: Kind
    origin: Origin
    address: str
    candidates: list[Candidate]
    problems: list[Problem]
    notes: list[str]
    is_regression: bool = False

    @property
    def has_own_split(self) -> bool:
        """Whether the source says itself which part an item is in."""
        return any(each.split is not None for each in self.candidates)


@dataclass(frozen=True)
class SourceOptions:
    """How a source is to be read.

    Parameters
    ----------
    kind        None: image for folders and prefixes; for tables text if there is a text column, else tabular
    label       column of the class names; None: the column ``label``
    target      column of numbers to be predicted, instead of a label
    text        column of the text; None: the column ``text``
    image       column of paths of pictures, below the table's folder
    split       column of the parts; None: the column ``split`` if all of its values name parts
    slices      columns by which evaluation looks at parts of the data; they stay in a table's rows
    leave_out   columns that are not for the model
    separator   of CSV cells
    limits      what serving takes
    """

    kind: Kind | None = None
    label: str | None = None
    target: str | None = None
    text: str | None = None
    image: str | None = None
    split: str | None = None
    slices: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    separator: str | None = None
    limits: Limits = field(default_factory=Limits)
