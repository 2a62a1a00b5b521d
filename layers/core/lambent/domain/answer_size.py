"""How large answers are where a model's outputs are the answer: the contract tells, before anything is computed."""

from __future__ import annotations

from math import prod

from lambent.contracts.model import ModelContract, RawOutputs
from lambent.errors import OutputNotJson

# Of one item: some 20 MB of text.
MOST_JSON_NUMBERS = 2_000_000
BINARY_WAY = "POST /v2/models/{model}/infer answers them as binary tensors (parameters.binary_data_output: true)."
_MOST_ANSWERED_NUMBERS = 8_000_000
_NUMBER_BYTES = 12


def numbers_an_item(contract: ModelContract) -> int:
    """Return how many numbers all outputs have for one item; a free dimension counts once."""
    return sum(prod(max(size, 1) for size in spec.shape[1:]) for spec in contract.outputs)


def result_bytes_an_item(contract: ModelContract) -> int:
    """Return about how long the outputs of one item are as JSON, where they are the answer; 0 where they are not."""
    return _NUMBER_BYTES * numbers_an_item(contract) if isinstance(contract.postprocessing, RawOutputs) else 0


def check_json_size(contract: ModelContract) -> None:
    """Raise OutputNotJson if the outputs are the answer and an item's are too many numbers for JSON."""
    numbers = numbers_an_item(contract)
    if isinstance(contract.postprocessing, RawOutputs) and numbers > MOST_JSON_NUMBERS:
        raise OutputNotJson(
            f"The outputs of one item are {numbers} numbers, JSON takes at most {MOST_JSON_NUMBERS}; {BINARY_WAY}",
            field="outputs",
            limit=MOST_JSON_NUMBERS,
            got=numbers,
        )


def check_json_answer(contract: ModelContract, items: int) -> None:
    """Raise OutputNotJson if the outputs of so many items are too many numbers for one answer."""
    most = max(1, _MOST_ANSWERED_NUMBERS // numbers_an_item(contract))
    if isinstance(contract.postprocessing, RawOutputs) and items > most:
        raise OutputNotJson(
            f"The outputs of {items} items are too many numbers for one answer in JSON: send at most {most} at once, "
            f"or use the batch door; {BINARY_WAY}",
            field="outputs",
            limit=most,
            got=items,
        )
