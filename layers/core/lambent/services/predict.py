"""The one definition of a prediction, called by every door, the worker and the CLI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from lambent.contracts.media import Prediction
from lambent.contracts.model import ModelContract, TextPreprocessing
from lambent.contracts.tensor import Array
from lambent.domain.lengths import check_lengths
from lambent.domain.model import ModelChoice, ModelRef, Target
from lambent.domain.postprocessing import postprocess
from lambent.domain.preprocessing.padding import Padding, pad_batch
from lambent.errors import TensorShapeMismatch
from lambent.services.load_model import ModelResolver, Models, ServedModel


class _Step:
    """Adds the time between its two ends to one step; a generator-based context manager takes three times as long."""

    __slots__ = ("_name", "_start_s", "_steps_ms")

    def __init__(self, steps_ms: dict[str, float], name: str) -> None:
        self._steps_ms = steps_ms
        self._name = name
        self._start_s = 0.0

    def __enter__(self) -> None:
        self._start_s = perf_counter()

    def __exit__(self, *_: object) -> None:
        taken_ms = (perf_counter() - self._start_s) * 1000
        self._steps_ms[self._name] = self._steps_ms.get(self._name, 0.0) + taken_ms


@dataclass
class Timings:
    """Milliseconds by step, in the order of the steps; which version they were spent on, and for how many rows.

    ``target`` is the version that the call was routed to, ``model`` the same once it is loaded.
    """

    steps_ms: dict[str, float] = field(default_factory=dict)
    target: Target | None = None
    model: ModelRef | None = None
    rows: int = 0

    def step(self, name: str) -> _Step:
        """Return a context manager that measures one step."""
        return _Step(self.steps_ms, name)

    def rounded(self) -> dict[str, float]:
        """Return the steps as fields of a log line."""
        return {f"{name}_ms": round(value, 3) for name, value in self.steps_ms.items()}

    def header(self) -> str:
        """Return the value of a Server-Timing header (https://www.w3.org/TR/server-timing/)."""
        return ", ".join(f"{name};dur={value:.3f}" for name, value in self.steps_ms.items())


class PredictService:
    """Predictions on versions resolved and loaded on demand."""

    def __init__(
        self,
        resolver: ModelResolver,
        models: Models,
        admit: Callable[[], None] | None = None,
        routing_key: Callable[[], str] | None = None,
    ) -> None:
        self._resolver = resolver
        self._models = models
        self._admit = admit
        self._routing_key = routing_key

    def for_call(self, routing_key: Callable[[], str], admit: Callable[[], None] | None = None) -> PredictService:
        """Return the same service for one call.

        Parameters
        ----------
        routing_key   decides which version of a label with a canary answers the call
        admit         raises unless the caller may use models
        """
        return PredictService(self._resolver, self._models, admit, routing_key)

    def model(self, choice: ModelChoice, timings: Timings) -> ServedModel:
        """Return the version that ``choice`` names, ready to answer."""
        if self._admit is not None:
            self._admit()
        with timings.step("resolve"):
            target = self._resolver.target(choice, self._routing_key)
        timings.target = target
        with timings.step("load"):
            served = self._models.get(target.ref)
        timings.model = target.ref
        return served


def run_tensors(model: ServedModel, inputs: Mapping[str, Array], timings: Timings) -> dict[str, Array]:
    """Run the interpreter on a batch.

    Raises
    ------
    TensorShapeMismatch   more rows or tokens than the contract allows, inputs of different numbers of rows, or smaller
                          ones than the model answers
    """
    timings.rows = rows = _count_rows(model.contract, inputs)
    if rows > model.contract.limits.max_rows:
        raise TensorShapeMismatch(
            f"A request may hold {model.contract.limits.max_rows} rows; split it or use the batch door.",
            field="inputs[0].shape",
            limit=model.contract.limits.max_rows,
            got=rows,
        )
    _check_tokens(model.contract, inputs)
    check_lengths(model.contract, inputs)
    with timings.step("infer"):
        return model.interpreter.run(inputs)


def _check_tokens(contract: ModelContract, inputs: Mapping[str, Array]) -> None:
    """Hold token tensors of free length to the limit of texts: memory for attention grows with its square."""
    spec = contract.preprocessing
    if not isinstance(spec, TextPreprocessing):
        return
    tokens = max(array.shape[1] for array in inputs.values())
    if tokens > spec.max_tokens:
        raise TensorShapeMismatch(
            f"A row has {tokens} tokens, the model takes at most {spec.max_tokens}; shorten or split it.",
            field="inputs[0].shape",
            limit=spec.max_tokens,
            got=tokens,
        )


def _count_rows(contract: ModelContract, inputs: Mapping[str, Array]) -> int:
    """Return the size of the batch; 1 if no input has a free first dimension."""
    rows = {spec.name: len(inputs[spec.name]) for spec in contract.inputs if spec.shape[:1] == (-1,)}
    counts = set(rows.values())
    if len(counts) > 1:
        raise TensorShapeMismatch(
            f"All inputs of a request must have the same number of rows, got {rows}.", field="inputs", got=rows
        )
    return counts.pop() if counts else 1


def predict_items(
    model: ServedModel,
    prepared: Sequence[Mapping[str, Array]],
    timings: Timings,
    *,
    top_k: int,
    padding: Padding | None = None,
) -> list[Prediction]:
    """Run prepared items as one batch and postprocess each row.

    Parameters
    ----------
    prepared      what the model's preprocessor made of each item, at least one
    top_k         how many labels to answer an item; a regression has one number
    padding       what the model gets, see `pad_batch`; whoever pads holds its rows to the contract's limit. None: as
                  many rows as there are items

    Returns
    -------
    one prediction an item, in their order

    Raises
    ------
    TensorShapeMismatch     more items than the contract allows, or shorter ones than the model answers
    ModelContractMismatch   the model answered a score or number that is not finite
    OutputNotJson           an output that is answered as it is has NaN or infinity in it, or is too large for JSON
    MemoryExhausted         the batch is too large for this host
    """
    contract = model.contract
    inputs = model.preprocessor.collate(prepared)
    if padding is None:
        outputs = run_tensors(model, inputs, timings)
    else:
        check_lengths(contract, inputs)
        padded = model.interpreter.run(pad_batch(inputs, contract, padding))
        outputs = {name: array[: len(prepared)] for name, array in padded.items()}
    with timings.step("postprocess"):
        return postprocess(outputs, contract, top_k=top_k)
