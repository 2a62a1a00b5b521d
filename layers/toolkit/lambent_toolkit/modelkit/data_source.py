"""Data by name, for the steps that are told `--data`, and its fit to a model's contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lambent.contracts.model import Classification, ModelContract, Regression, TensorPreprocessing
from lambent_toolkit.modelkit.datasets import DataSet
from lambent_toolkit.modelkit.errors import DataSetUnknown, DataUnfit, DataUnknown
from lambent_toolkit.modelkit.recipe import Declaration, LabelledItems, Recipe, Split, prepare_parts, split_items
from lambent_toolkit.modelkit.recipe_calls import calling
from lambent_toolkit.modelkit.recipe_check import check_declaration, check_parts
from lambent_toolkit.modelkit.recipes import RECIPES
from lambent_toolkit.modelkit.splitting import PARTS, Part
from lambent_toolkit.modelkit.tensor_file import (
    LABEL,
    LABELS,
    TARGET,
    TENSOR_SUFFIXES,
    TensorFile,
    is_tensor_file,
    read_tensor_file,
)


@dataclass(frozen=True)
class RecipeData:
    """The data of a recipe in its three parts, with the labels of its contract."""

    recipe: Recipe

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @cached_property
    def parts(self) -> dict[Part, LabelledItems]:
        """All three parts; raises as `split_items` does."""
        return split_items(self.recipe)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What the classes are called; empty for a regression."""
        if labels := self.parts["train"].labels:
            return labels
        with calling(self.recipe, "contract"):
            declared = self.recipe.contract(self.parts["train"], self.recipe.settings)
        answer = declared.contract.postprocessing
        return answer.labels if isinstance(answer, Classification) else ()

    def items(self, split: Part) -> LabelledItems:
        """Return the items of one part, with their labels."""
        found = self.parts[split]
        return LabelledItems(found.items, found.targets, found.slices, self.labels)


def find_data(name: str, contract: ModelContract | None = None) -> RecipeData | DataSet | TensorFile:
    """Return data by its name: a data set that `lambent data add` made, else that of a built-in recipe.

    A name that ends as one of `TENSOR_SUFFIXES` is the path of a file of tensors, of which those are inputs that the
    contract calls so.

    Raises
    ------
    DataUnknown      there is none of these
    DataSetDamaged   a file of the data set is not what was written
    SourceUnusable, DataUnusable   see `read_tensor_file`
    """
    if is_tensor_file(name):
        if contract is None:
            return read_tensor_file(name)
        answer = contract.postprocessing
        return read_tensor_file(
            name,
            inputs=[spec.name for spec in contract.inputs],
            has_several_labels=isinstance(answer, Classification) and answer.activation == "sigmoid",
        )
    try:
        return DataSet.open(name)
    except DataSetUnknown as exc:
        if name in RECIPES:
            return RecipeData(RECIPES[name])
        raise DataUnknown(f"{exc} Or name a recipe, whose data it is: {', '.join(sorted(RECIPES))}.") from exc


def split_for(declaration: Declaration, name: str) -> Split:
    """Return all three parts of some data as a model takes them, class numbers being those of its contract's labels.

    Raises
    ------
    DataUnknown    there is no data of this name
    DataUnfit      it has classes that the contract does not have, or tensors where that takes items or the reverse
    DataUnusable   a part is empty, or there is one class only
    RecipeUnfit    the contract's answer is of another kind than the data's targets
    """
    data = find_data(name, declaration.contract)
    _check_form(data, declaration.contract, name)
    parts: Mapping[Part, LabelledItems] = {
        part: renumbered(data.items(part), declaration.contract, name) for part in PARTS
    }
    check_parts(name, parts)
    check_declaration(declaration.contract.name, declaration, parts)
    return prepare_parts(parts, declaration, data_name=data.name)


def _check_form(data: RecipeData | DataSet | TensorFile, contract: ModelContract, name: str) -> None:
    """Raise DataUnfit unless tensors come to a model that takes them, and with what it answers."""
    takes_tensors, is_tensors = isinstance(contract.preprocessing, TensorPreprocessing), isinstance(data, TensorFile)
    if takes_tensors and not is_tensors:
        raise DataUnfit(
            f"The contract of {contract.name} takes tensors, {name} has pictures, texts or rows: name a file of its "
            f"inputs by --data ({', '.join(TENSOR_SUFFIXES)}), or declare in its preprocessing how those become "
            "tensors, then import the model with that contract."
        )
    if is_tensors and not takes_tensors:
        raise DataUnfit(
            f"{name} is a file of tensors, {contract.name} takes items that it preprocesses itself: add those by "
            "`lambent data add`, and name that data set."
        )
    if not isinstance(data, TensorFile):
        return
    wanted = {Classification: "label", Regression: "target"}.get(type(contract.postprocessing))
    answer = contract.postprocessing
    takes_several = isinstance(answer, Classification) and answer.activation != "softmax"
    if wanted is not None and data.kind not in {wanted, LABELS if takes_several else wanted}:
        got = f"has a {data.kind} an item" if data.kind else f"has neither {LABEL} nor {TARGET}"
        raise DataUnfit(f"{contract.name} is measured by a {wanted} an item; {name} {got}: call it {wanted}s.")
    if {spec.shape[0] for spec in (*contract.inputs, *contract.outputs)} not in ({-1}, {1}):
        raise DataUnfit(
            f"{contract.name} takes a fixed number of rows a call, so that its items cannot be told apart: convert it "
            "with a free batch dimension, or one of 1."
        )


def renumbered(items: LabelledItems, contract: ModelContract, name: str) -> LabelledItems:
    """Return items whose class numbers, or columns of labels, are those of the contract's labels; raises DataUnfit."""
    answer = contract.postprocessing
    if items.targets.ndim > 1 and isinstance(answer, Classification) and not items.labels:
        return _checked_columns(items, answer, name, contract.name)
    if not items.labels or not isinstance(answer, Classification) or items.labels == answer.labels:
        return items
    unknown = [label for label in items.labels if label not in answer.labels]
    if unknown:
        raise DataUnfit(
            f"Data {name} has classes that {contract.name} does not have: {', '.join(unknown[:10])}. The contract's "
            f"labels are {', '.join(answer.labels[:10])}{', …' if len(answer.labels) > 10 else ''}."  # noqa: PLR2004
        )
    numbers = np.array([answer.labels.index(label) for label in items.labels], dtype=np.int64)
    if items.targets.ndim > 1:
        targets = np.zeros((len(items), len(answer.labels)), dtype=np.int64)
        targets[:, numbers] = items.targets
        return LabelledItems(items.items, targets, items.slices, answer.labels)
    return LabelledItems(items.items, numbers[items.targets], items.slices, answer.labels)


def _checked_columns(items: LabelledItems, answer: Classification, name: str, model: str) -> LabelledItems:
    if items.targets.shape[1] != len(answer.labels):
        raise DataUnfit(
            f"{name} has {items.targets.shape[1]} numbers of labels an item, {model} has {len(answer.labels)} labels: "
            "one number for each, in their order."
        )
    return items
