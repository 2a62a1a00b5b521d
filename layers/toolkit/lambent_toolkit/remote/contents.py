"""What a job needs: the recipe with the files and data sets that it reads, or a working folder to evaluate.

Files keep their places below the working directory, so that a recipe finds them there by the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lambent_toolkit.modelkit.data_source import find_data
from lambent_toolkit.modelkit.datasets.data_set import DataSet, noting_opened
from lambent_toolkit.modelkit.datasets.manifest import ITEMS_FILE, MANIFEST_FILE, RECORD_FILE
from lambent_toolkit.modelkit.datasets.store import DATA_DIR
from lambent_toolkit.modelkit.errors import DataUnfit
from lambent_toolkit.modelkit.importing.bring import IMPORT_FILE
from lambent_toolkit.modelkit.named_models import NamedVersion
from lambent_toolkit.modelkit.recipe import Recipe
from lambent_toolkit.modelkit.recipe_calls import calling
from lambent_toolkit.modelkit.tensor_file import is_tensor_file
from lambent_toolkit.modelkit.training import CHECKPOINTS_FOLDER, LOGS_FOLDER
from lambent_toolkit.modelkit.training_record import read_training_record, recorded_recipe
from lambent_toolkit.remote.bundle import Contents, Order, RecipeOrder, VersionOrder
from lambent_toolkit.remote.tools import tools

ITEMS_DIR = Path(".lambent/items")
MODEL_DIR = "model"
_OF_TRAINING = (CHECKPOINTS_FOLDER, LOGS_FOLDER)


def training_order(recipe: Recipe, contents: Contents, *, near: Sequence[str] = ()) -> Order:
    """Put what a training needs into ``contents``; the recipe's ``data()`` is run to see what it reads.

    Parameters
    ----------
    near   ``s3://`` prefixes that the job may read: data sets there are not copied

    Raises
    ------
    RecipeFailed, DataSetUnknown, …   as the recipe's ``data()`` and ``sources()`` raise
    ItemChanged, SourceUnavailable    an item is not what was added to its data set
    BundleTooLarge
    """
    return Order(task="train", recipe=_Packing(contents, near).recipe(recipe), tools=tools())


def evaluation_order(folder: Path, contents: Contents, *, data: str | None, near: Sequence[str] = ()) -> Order:
    """Put what an evaluation of a working folder needs into ``contents``.

    Raises
    ------
    StepMissing   nothing was trained or imported here
    DataUnknown   there is no data of the name ``data``
    …             as `training_order`
    """
    packing = _Packing(contents, near)
    recipe = None
    if not (folder / IMPORT_FILE).exists():
        recipe = packing.recipe(recorded_recipe(read_training_record(folder)))
    if data is not None:
        data = packing.data(data)
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and inside.parts[0] not in _OF_TRAINING:
            contents.add(f"{MODEL_DIR}/{inside.as_posix()}", path)
    return Order(task="evaluate", recipe=recipe, model=MODEL_DIR, data=data, tools=tools())


def version_order(version: NamedVersion, contents: Contents, *, near: Sequence[str] = ()) -> Order:
    """Put what an evaluation of a published version needs into ``contents``; raises as `evaluation_order`."""
    _Packing(contents, near).data(version.data_name)
    for name, body in version.files.items():
        contents.add(f"{MODEL_DIR}/{name}", body)
    asked = VersionOrder(name=version.name, manifest_sha256=version.manifest_sha256)
    return Order(task="evaluate", model=MODEL_DIR, version=asked, data=version.data_name, tools=tools())


class _Packing:
    """Finds a place in the bundle for everything that a recipe reads."""

    def __init__(self, contents: Contents, near: Sequence[str]) -> None:
        self._contents = contents
        self._near = tuple(near)
        self._here = Path.cwd()

    def recipe(self, recipe: Recipe) -> RecipeOrder:
        with noting_opened() as opened, calling(recipe, "data"):
            recipe.data(recipe.settings)
        self.data_sets(opened)
        name = recipe.name if recipe.path is None else self._file(Path(recipe.path), beside=None)
        placed = self._sources(recipe)
        settings = msgspec.to_builtins(recipe.settings)
        return RecipeOrder(
            name=name,
            settings=settings,
            placed=placed,
            origin_name=recipe.recorded_name,
            origin_settings={key: settings[key] for key in placed},
        )

    def _sources(self, recipe: Recipe) -> dict[str, str]:
        """Add the files that `sources` names, and return which setting names which."""
        if recipe.sources is None:
            return {}
        with calling(recipe, "sources"):
            paths = list(recipe.sources(recipe.settings))
        beside = Path(recipe.path).parent if recipe.path else None
        places = {path.resolve(): self._file(path, beside=beside) for path in paths}
        settings = msgspec.to_builtins(recipe.settings)
        texts = {key: value for key, value in settings.items() if isinstance(value, str) and value}
        return {key: places[Path(value).resolve()] for key, value in texts.items() if Path(value).resolve() in places}

    def _file(self, path: Path, *, beside: Path | None) -> str:
        """Add a file: as it lies to the working directory, to the recipe, else in a folder for its folder."""
        full = path.resolve()
        if full.is_relative_to(self._here):
            place = full.relative_to(self._here).as_posix()
        elif beside is not None and full.is_relative_to(beside):
            place = f"recipe/{full.relative_to(beside).as_posix()}"
        elif beside is None and full.suffix == ".py":
            place = f"recipe/{full.name}"
        else:
            place = f"sources/{full.parent.name}/{full.name}"
        self._contents.add(place, full)
        return place

    def data(self, name: str) -> str:
        """Add data by its name, and return that with its version; raises DataUnknown, DataUnfit (a file)."""
        if is_tensor_file(name):
            raise DataUnfit(f"{name} is a file, which no job gets: evaluate here, without --remote.")
        with noting_opened() as opened:
            found = find_data(name).name
        self.data_sets(opened)
        return found

    def data_sets(self, opened: Sequence[DataSet]) -> None:
        """Add versions of data sets, with their items unless the job may read those where they are."""
        for each in opened:
            folder, record = each.stored.folder, each.record
            place = DATA_DIR / record.name / str(record.version)
            if not record.items_sha256 and not record.source.startswith(self._near):
                items = ITEMS_DIR / f"{record.name}-{record.version}"
                for path, body in each.files():
                    self._contents.add(f"{items.as_posix()}/{path}", body)
                record = msgspec.structs.replace(record, source=items.as_posix())
            self._contents.add(f"{place.as_posix()}/{RECORD_FILE}", msgspec.json.encode(record))
            names = [MANIFEST_FILE, *([ITEMS_FILE] if record.items_sha256 else [])]
            for name in names:
                self._contents.add(f"{place.as_posix()}/{name}", folder / name)
