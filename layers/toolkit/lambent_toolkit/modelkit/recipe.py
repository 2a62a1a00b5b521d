"""What a recipe is, and how its data becomes tensors: by the very code that serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from lambent.contracts.model import ModelContract, TensorPreprocessing
from lambent.contracts.tensor import Array
from lambent.domain.preprocessing import make_preprocessor
from lambent.errors import InvalidInput
from lambent_toolkit.modelkit.errors import DataUnusable, RecipeUnfit
from lambent_toolkit.modelkit.recipe_calls import calling
from lambent_toolkit.modelkit.recipe_check import check_declaration, check_items, check_parts
from lambent_toolkit.modelkit.splitting import PARTS, Part, split_rows
from lambent_toolkit.modelkit.tensor_items import stack_items
from lambent_toolkit.modelkit.variants import VariantChoice

if TYPE_CHECKING:
    import keras

Count = Annotated[int, msgspec.Meta(ge=1)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=100)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Targets = NDArray[np.int64] | NDArray[np.float64]


class HyperParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What every recipe can be told; a recipe's ``Settings`` adds its own and changes defaults.

    Parameters
    ----------
    epochs             at most; training ends earlier when the validation loss stops falling
    batch_size
    seed               of the weights, of dropout and of the order of the batches
    patience_epochs    epochs without a lower validation loss after which training stops; the best weights are kept
    split_seed         of the split into three parts; apart from ``seed``, so that models of different seeds are
                       compared on the same test items
    validation_share   of all items: for early stopping, for choosing a variant, for the temperature
    test_share         of all items: for `lambent evaluate` alone
    fine_tune_epochs   at most, after ``epochs``; for recipes that have a second phase
    variant            the form of model.tflite that `lambent quantize` makes unless told otherwise
    """

    epochs: Count = 20
    batch_size: Count = 32
    seed: Seed = 7
    patience_epochs: Count = 5
    split_seed: Seed = 7
    validation_share: Share = 0.15
    test_share: Share = 0.2
    fine_tune_epochs: Annotated[int, msgspec.Meta(ge=0)] = 0
    variant: VariantChoice = "auto"


@dataclass(frozen=True)
class LabelledItems:
    """Raw items, as an uploaded object holds them, with what is to be predicted.

    Parameters
    ----------
    items     each an encoded picture, a text in UTF-8, or a table row as a JSON object
    targets   int64 class numbers from 0, or float64 numbers for regression, shape (n,)
    slices    column name → a value an item, by which `lambent evaluate` looks at parts of the data
    labels    what the class numbers are called, in their order; empty where the contract's labels are in that order,
              and for regression
    """

    items: list[bytes]
    targets: Targets
    slices: Mapping[str, list[str]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)

    def take(self, rows: NDArray[np.int64]) -> LabelledItems:
        """Return the items of these row numbers."""
        chosen = [self.items[row] for row in rows]
        return LabelledItems(chosen, self.targets[rows], _sliced(self.slices, rows), self.labels)


@runtime_checkable
class SplitData(Protocol):
    """Data that has its own split, as `lambent data add` makes it."""

    def items(self, split: Part) -> LabelledItems:
        """Return the items of one part."""
        ...


@dataclass(frozen=True)
class Declaration:
    """What the finished model takes and gives.

    Parameters
    ----------
    contract
    assets     files that its preprocessing needs, by name: the tokenizer of a text model
    """

    contract: ModelContract
    assets: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """How a recipe is called where it came from, when it runs somewhere else as a job.

    Parameters
    ----------
    recipe     name of a built-in one, or path of the Python file there
    settings   those that name files, with their values there
    """

    recipe: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """How a model is made: the three functions of a Python file, and its settings.

    Parameters
    ----------
    name : str   as in `lambent train NAME`
    settings     of the recipe's own type ``Settings``, a kind of `HyperParameters`
    data         settings → the whole data set, or one that is split already
    contract     (training part, settings) → contract and assets; what they learn from data (a tokenizer's vocabulary,
                 a column's mean), they learn from the training part, which is all that they are given
    model        (contract, settings) → the compiled, untrained Keras model; imports Keras
    fine_tune    (model, settings) → None, after the first phase, with its best weights: makes more of the model
                 trainable and compiles it anew; `HyperParameters.fine_tune_epochs` more epochs follow. None if the
                 recipe has no such phase
    sources      settings → files that the model is made of beside the data, such as a backbone; their digests are part
                 of what makes two trainings the same. None if there are none
    path         the Python file it came from, None for built-in ones
    source_sha256   of that file, or of the built-in module's
    origin          what records call it, if it runs elsewhere than where it came from
    """

    name: str
    settings: Any
    data: Callable[[Any], LabelledItems | SplitData]
    contract: Callable[[LabelledItems, Any], Declaration]
    model: Callable[[ModelContract, Any], keras.Model]
    fine_tune: Callable[[keras.Model, Any], None] | None = None
    sources: Callable[[Any], Sequence[Path]] | None = None
    path: str | None = None
    source_sha256: str = ""
    origin: Origin | None = None

    @property
    def recorded_name(self) -> str:
        """What records call it, and `find_recipe` finds: its own name, or the path of its file where it came from."""
        return self.origin.recipe if self.origin else self.path or self.name

    @property
    def recorded_settings(self) -> dict[str, Any]:
        """All settings as records have them: files by their paths where the recipe came from."""
        return msgspec.to_builtins(self.settings) | dict(self.origin.settings if self.origin else {})

    def source_digests(self) -> dict[str, str]:
        """Return the sha256 of each file that `sources` names, by the file's name; raises RecipeFailed."""
        if self.sources is None:
            return {}
        with calling(self, "sources"):
            return {path.name: sha256(path.read_bytes()).hexdigest() for path in self.sources(self.settings)}

    def having(self, **settings: object) -> Recipe:
        """Return the recipe with some settings changed; raises msgspec.ValidationError, TypeError (unknown name)."""
        changed = msgspec.structs.replace(self.settings, **settings)
        return replace(self, settings=msgspec.convert(msgspec.to_builtins(changed), type(self.settings)))


@dataclass(frozen=True)
class Prepared:
    """One part of the data: items with their tensors, (n, …) by the contract's names, as its preprocessing makes them.

    ``targets`` and ``slices`` are those of `LabelledItems`.
    """

    items: list[bytes]
    targets: Targets
    tensors: dict[str, Array]
    slices: Mapping[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)


@dataclass(frozen=True)
class Split:
    """Data in three parts with what was declared for it.

    Parameters
    ----------
    train        for the weights, and for what a quantized file is calibrated with
    validation   for every choice: when to stop, which variant, which temperature
    test         for `lambent evaluate` alone
    sha256       of all tensors, input by input in the contract's order, and of the targets, part by part in this order
    data_name    of the recipe whose data it is, or of a data set with its version
    """

    declaration: Declaration
    train: Prepared
    validation: Prepared
    test: Prepared
    sha256: str
    data_name: str = ""

    @property
    def contract(self) -> ModelContract:
        """The declared contract."""
        return self.declaration.contract


def prepare(recipe: Recipe) -> Split:
    """Load a recipe's data, split it (stratified, seeded) and preprocess every part as serving does.

    Raises
    ------
    RecipeFailed            the recipe's code raised
    RecipeUnfit             what its functions return does not go together
    DataUnusable            there is nothing to learn from, or the data cannot be split
    SettingInvalid          the shares leave nothing to train on
    ModelContractMismatch   the contract contradicts itself
    """
    parts, data_name = _named_parts(recipe)
    with calling(recipe, "contract"):
        declaration = recipe.contract(parts["train"], recipe.settings)
    check_declaration(recipe.name, declaration, parts)
    return prepare_parts(parts, declaration, data_name=data_name)


def prepare_parts(parts: Mapping[Part, LabelledItems], declaration: Declaration, *, data_name: str) -> Split:
    """Preprocess every part as serving does; the parts are checked already. Raises DataUnusable (an item)."""
    prepared = {part: prepare_items(parts[part], declaration) for part in PARTS}
    hashed = sha256()
    for part in prepared.values():
        for spec in declaration.contract.inputs:
            hashed.update(part.tensors[spec.name].tobytes())
        hashed.update(part.targets.tobytes())
    digest = hashed.hexdigest()
    return Split(declaration, prepared["train"], prepared["validation"], prepared["test"], digest, data_name)


def held_out(recipe: Recipe) -> LabelledItems:
    """Return the raw test items with their targets, the same ones as `prepare` holds out."""
    return split_items(recipe)["test"]


def split_items(recipe: Recipe) -> dict[Part, LabelledItems]:
    """Return the parts of a recipe's data: the data set's own, or stratified ones by the settings' shares."""
    return _named_parts(recipe)[0]


def _named_parts(recipe: Recipe) -> tuple[dict[Part, LabelledItems], str]:
    with calling(recipe, "data"):
        data = recipe.data(recipe.settings)
        parts = _split(data, recipe) if isinstance(data, LabelledItems) else _own_parts(data, recipe)
    for part in parts.values():
        check_items(recipe.name, part)
    check_parts(recipe.name, parts)
    return parts, getattr(data, "name", recipe.name)


def _split(data: LabelledItems, recipe: Recipe) -> dict[Part, LabelledItems]:
    check_items(recipe.name, data)
    settings = recipe.settings
    rows = split_rows(
        data.targets,
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=settings.split_seed,
    )
    return {part: data.take(rows[part]) for part in PARTS}


def _own_parts(data: SplitData, recipe: Recipe) -> dict[Part, LabelledItems]:
    if not isinstance(data, SplitData):
        raise RecipeUnfit(
            f"data() of {recipe.name} must return LabelledItems or a DataSet, it returns {type(data).__name__}."
        )
    return {part: data.items(part) for part in PARTS}


def prepare_items(data: LabelledItems, declaration: Declaration) -> Prepared:
    """Return the items with their tensors: every item through the one preprocessing path.

    Items of a model that takes tensors are those of `encode_item`.

    Raises
    ------
    DataUnusable   serving would refuse an item; tells its number in the part
    DataUnfit      tensors that are not the contract's
    """
    if isinstance(declaration.contract.preprocessing, TensorPreprocessing):
        tensors = stack_items(data.items, declaration.contract)
        return Prepared(data.items, data.targets, tensors, data.slices)
    preprocessor = make_preprocessor(declaration.contract, declaration.assets)
    ready = []
    for number, item in enumerate(data.items, start=1):
        try:
            ready.append(preprocessor.prepare(item))
        except InvalidInput as exc:
            raise DataUnusable(
                f"Item {number} of {len(data)} cannot be prepared for {declaration.contract.name}: {exc.detail}"
            ) from exc
    return Prepared(data.items, data.targets, preprocessor.collate(ready), data.slices)


def _sliced(slices: Mapping[str, list[str]], rows: NDArray[np.int64]) -> dict[str, list[str]]:
    return {name: [values[row] for row in rows] for name, values in slices.items()}
