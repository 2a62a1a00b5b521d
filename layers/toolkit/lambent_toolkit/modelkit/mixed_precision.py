"""Int8 with the worst layers left in float: as few as keep the loss within its limit.

Greedy, forwards then backwards. Layers go to float in the order of their sensitivity until the limit holds; then each
of them, the least sensitive first, goes back to int8 if the limit holds without it. At most two files a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lambent_toolkit.modelkit.errors import NoVariantHolds
from lambent_toolkit.modelkit.selective_quantization import SelectiveQuantizer
from lambent_toolkit.modelkit.sensitivity_report import Effect, LayerSensitivity, MixedStep
from lambent_toolkit.modelkit.watcher import SILENCE, Watcher


def spare_worst_layers(
    quantizer: SelectiveQuantizer,
    ranking: Sequence[LayerSensitivity],
    measure: Callable[[bytes], Effect],
    *,
    limit: float,
    watcher: Watcher = SILENCE,
) -> list[MixedStep]:
    """Return what was tried; the last step that holds the limit leaves as few layers in float as were found to do.

    Parameters
    ----------
    ranking   the most sensitive layer first
    limit     the most that ``loss.value`` may be
    watcher   is told of every set of layers

    Raises
    ------
    NoVariantHolds     the loss is over the limit with every layer in float: inputs or outputs in 8 bits cost too much
    ConversionFailed   the quantizer refuses
    """
    search = _Search(quantizer, measure, limit=limit, watcher=watcher)
    order = [each.layer for each in ranking]
    watcher.begin("mixed precision", total=2 * len(order) + 1)
    for count in range(len(order) + 1):
        if search.holds(order[:count]):
            break
    else:
        raise NoVariantHolds(
            f"Even with all {len(order)} layers in float the loss is {search.steps[-1].effect.loss.value:.3g}, over "
            f"the limit of {limit:g}: 8 bits are too few for this model's inputs or outputs. Try --variant int16x8 or "
            "float16."
        )
    kept = order[:count]
    # The last one is needed: without it the limit did not hold.
    for layer in reversed(kept[:-1]):
        without = [each for each in kept if each != layer]
        if search.holds(without):
            kept = without
    return search.steps


class _Search:
    def __init__(
        self, quantizer: SelectiveQuantizer, measure: Callable[[bytes], Effect], *, limit: float, watcher: Watcher
    ) -> None:
        self._quantizer, self._measure, self._limit, self._watcher = quantizer, measure, limit, watcher
        self.steps: list[MixedStep] = []

    def holds(self, layers: Sequence[str]) -> bool:
        file = self._quantizer.quantize(float_layers=layers)
        effect = self._measure(file)
        holds = effect.loss.value <= self._limit
        in_order = [each.layer for each in self._quantizer.layers if each.layer in layers]
        step = MixedStep(float_layers=in_order, effect=effect, size_bytes=len(file), holds_limit=holds)
        self.steps.append(step)
        self._watcher.advance(f"{len(layers)} layers in float: loss {effect.loss.value:.2f}")
        return holds
