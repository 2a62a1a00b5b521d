"""What a network is to answer so that the contract's answer is the target: the other way round of postprocessing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambent.contracts.model import ModelContract, Regression

if TYPE_CHECKING:
    from lambent_toolkit.modelkit.recipe import Prepared, Targets


def network_targets(part: Prepared, contract: ModelContract) -> Targets:
    """Return a part's targets as the model is fitted to them, (n,).

    Class numbers as they are; numbers of a regression as ``(target - offset) / scale``, since what the model answers is
    multiplied by the contract's scale, and its offset added, wherever it is evaluated or served.
    """
    answer = contract.postprocessing
    if not isinstance(answer, Regression) or (answer.scale, answer.offset) == (1.0, 0.0):
        return part.targets
    return (part.targets - answer.offset) / answer.scale
