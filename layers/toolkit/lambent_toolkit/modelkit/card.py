"""card.md: what a model is, for whoever is to rely on it.

Headings after Mitchell et al., "Model Cards for Model Reporting" (2019), https://arxiv.org/abs/1810.03993. Nothing in
it is made up: what was not measured or not told stands there as such.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from lambent.contracts.model import (
    Classification,
    ImagePreprocessing,
    ModelContract,
    Regression,
    TabularPreprocessing,
    TextPreprocessing,
)
from lambent.domain.card import CARD_FILE
from lambent.domain.model import KERAS_FILE, TFLITE_FILE

__all__ = ["CARD_FILE", "Figure", "model_card"]
_MOST_LABELS = 20


class Figure(NamedTuple):
    """One measured number in words, e.g. ``accuracy``, ``97.8 %``, ``95.1 to 99.4 %`` (its 95 % interval, if any)."""

    name: str
    value: str
    interval: str | None = None


def model_card(
    contract: ModelContract,
    *,
    figures: Sequence[Figure] = (),
    quantization: Sequence[Figure] = (),
    data: Mapping[str, str] | None = None,
    provenance: Mapping[str, str] | None = None,
    description: str | None = None,
    files: Collection[str] | None = None,
    findings: Sequence[str] = (),
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    contract       of the version
    figures        of the served file on its test data; none says that it was not evaluated
    quantization   how the served file compares with the float model
    data           what the figures were measured on: name, items, digest
    provenance     where the model comes from: recipe or file, seed, tool versions, signing key
    description    what it is for, in its maker's words
    files          names of the version's files, which say on which lanes it runs
    findings       what is wrong with its answers, or cannot be measured, as sentences
    """
    parts = [
        f"# {contract.name}",
        "## What it is\n\n" + _kind(contract) + (f" {_lanes(files)}" if files is not None else ""),
        "## Intended use\n\n" + (description or "Its maker has not said what it is for."),
        *(["## Findings\n\n" + "\n".join(f"- {each}" for each in findings)] if findings else []),
        "## Figures\n\n"
        + (_table(figures) if figures else "Not evaluated: nothing is known of how often it is right."),
        "## Data\n\n" + (_list(data) if data else "No data set is recorded."),
    ]
    if quantization:
        parts.append("## Quantization\n\n" + _table(quantization))
    parts += ["## Limits\n\n" + _limits(contract), "## How to call it\n\n" + _call(contract)]
    if provenance:
        parts.append("## Provenance\n\n" + _list(provenance))
    return "\n\n".join(parts) + "\n"


def _kind(contract: ModelContract) -> str:
    spec, answer = contract.preprocessing, contract.postprocessing
    takes = "tensors, which the caller prepares"
    if isinstance(spec, ImagePreprocessing):
        colours = "grey" if spec.channels == 1 else "RGB"
        takes = f"a picture (JPEG, PNG, WebP), made {spec.height} x {spec.width} {colours}"
    elif isinstance(spec, TextPreprocessing):
        takes = f"a text of at most {spec.max_tokens} tokens"
    elif isinstance(spec, TabularPreprocessing):
        takes = f"a table row of {len(spec.columns)} columns: {', '.join(column.name for column in spec.columns)}"
    if isinstance(answer, Classification):
        shown = ", ".join(answer.labels[:_MOST_LABELS]) + (", …" if len(answer.labels) > _MOST_LABELS else "")
        gives = f"one score for each of {len(answer.labels)} labels: {shown}"
    elif isinstance(answer, Regression):
        gives = "a number" + (f" in {answer.unit}" if answer.unit else "")
    else:
        gives = "its outputs as they are: " + ", ".join(spec.name for spec in contract.outputs)
    return f"It takes {takes}. It gives {gives}."


def _lanes(files: Collection[str]) -> str:
    cpu = f"on the CPU lane from its {TFLITE_FILE}"
    if TFLITE_FILE not in files:
        cpu = f"on the CPU lane once `lambent quantize` has made its {TFLITE_FILE}"
    gpu = f"on the GPU lane from its {KERAS_FILE}" if KERAS_FILE in files else f"on no GPU lane: it has no {KERAS_FILE}"
    return f"It runs {cpu}, and {gpu}."


def _table(figures: Sequence[Figure]) -> str:
    rows = [f"| {name} | {value} | {interval or ''} |" for name, value, interval in figures]
    return "\n".join(["| figure | value | 95 % interval |", "|---|---|---|", *rows])


def _list(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _limits(contract: ModelContract) -> str:
    limits = contract.limits
    facts = [f"- at most {limits.max_rows} rows and {limits.max_input_bytes} bytes a request"]
    if contract.rows_per_call is not None:
        facts.append(f"- its file takes {contract.rows_per_call} row(s) a call: a request of more is several calls")
    if isinstance(contract.preprocessing, ImagePreprocessing):
        facts.append(f"- pictures of at most {limits.max_pixels} pixels")
    if isinstance(contract.postprocessing, Classification):
        facts.append("- it always chooses among its labels, also for what is none of them")
    facts.append("- inputs unlike its data are answered without a warning")
    return "\n".join(facts)


def _call(contract: ModelContract) -> str:
    name, spec = contract.name, contract.preprocessing
    path, header, body = f"/models/{name}/predict", "application/json", "@row.json"
    if isinstance(spec, ImagePreprocessing):
        header, body = "image/png", "@picture.png"
    elif isinstance(spec, TextPreprocessing):
        header, body = "text/plain", "@text.txt"
    elif not isinstance(spec, TabularPreprocessing):
        path, body = f"/v2/models/{name}/infer", "@request.json"
    lines = [
        f'curl -s "$URL{path}" -H "x-api-key: $KEY" \\',
        f"  -H 'Content-Type: {header}' --data-binary {body}",
    ]
    tensors = [{"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in contract.inputs]
    shapes = "" if path.startswith("/models") else f"\n\nThe request's inputs: `{json.dumps(tensors)}`"
    return "```sh\n" + "\n".join(lines) + "\n```" + shapes
