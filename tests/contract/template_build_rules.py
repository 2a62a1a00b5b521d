"""Rules of what is built: Python, processor and interpreter, and which of them go together on Lambda."""

from __future__ import annotations

from itertools import product

from template_expanded import ExpandedTemplate, refusals
from template_references import Findings

CHOICES = ("PythonVersion", "Architecture", "Interpreter")
# Judged by what the libraries need, see shipped_libraries.py.
RUN_ON_LAMBDA = {
    ("python3.12", "x86_64", "litert"),
    ("python3.12", "arm64", "litert"),
    ("python3.11", "x86_64", "litert"),
    ("python3.11", "x86_64", "tflite-runtime"),
}
# What does not go together; a refusal names both.
CONFLICTS = [("python3.11", "arm64"), ("tflite-runtime", "arm64"), ("tflite-runtime", "python3.12")]


def combinations(template: ExpandedTemplate) -> list[tuple[str, ...]]:
    """Return all that the parameters' values can be combined to."""
    return list(product(*(template.declared[choice]["AllowedValues"] for choice in CHOICES)))


def what_lambda_cannot_run_is_refused(template: ExpandedTemplate) -> Findings:
    for combination in combinations(template):
        reasons = refusals(template, dict(zip(CHOICES, combination, strict=True)))
        if combination in RUN_ON_LAMBDA:
            yield from (f"{' '.join(combination)} runs, and is refused: {reason}" for reason in reasons)
        elif not reasons:
            yield f"{' '.join(combination)} does not run, and is deployed"
        for one, other in CONFLICTS:
            if {one, other} <= set(combination) and not any(one in reason and other in reason for reason in reasons):
                yield f"{' '.join(combination)} is refused without a word of {one} and {other}"


def a_gpu_lane_without_an_image_is_refused(template: ExpandedTemplate) -> Findings:
    if not refusals(template, {"GpuEnabled": "true", "WorkerImageUri": ""}):
        yield "the job definition would name no image"


def code_is_for_the_python_and_processor_that_are_asked_for(template: ExpandedTemplate) -> Findings:
    python, architecture = template.parameters["PythonVersion"], template.parameters["Architecture"]
    for name, function in template.of_type("Lambda::Function").items():
        if (function["Runtime"], function["Architectures"]) != (python, [architecture]):
            yield f"{name}: runs on {function['Runtime']} {function['Architectures']}"
    for name, layer in template.of_type("Lambda::LayerVersion").items():
        if (layer["CompatibleRuntimes"], layer["CompatibleArchitectures"]) != ([python], [architecture]):
            yield f"{name}: is for {layer['CompatibleRuntimes']} {layer['CompatibleArchitectures']}"


RULES = [
    what_lambda_cannot_run_is_refused,
    a_gpu_lane_without_an_image_is_refused,
    code_is_for_the_python_and_processor_that_are_asked_for,
]
