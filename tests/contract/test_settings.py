"""Every setting is set by template.yaml, and every variable that it sets is a setting."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from template_expanded import WITH_GPU, WITHOUT_GPU, expand, read_source

from lambent.runtime import settings

GPU, CPU = (expand(read_source(), parameters) for parameters in (WITH_GPU, WITHOUT_GPU))
FUNCTIONS = {
    "PredictFunction": (settings.PredictSettings, settings.OriginSettings),
    "JobsFunction": (settings.JobsSettings, settings.LaneSettings, settings.OriginSettings),
    "SortFunction": (settings.SortSettings,),
    "PreprocessFunction": (settings.PreprocessSettings, settings.TenantSettings),
    "InferFunction": (settings.InferSettings, settings.TenantSettings),
    "DispatchFunction": (settings.DispatchSettings, settings.LaneSettings),
    "JobEventsFunction": (settings.JobEventsSettings,),
    "NotifyFunction": (settings.NotifySettings,),
    "SweepFunction": (settings.SweepSettings,),
}
# Read by libraries or by AWS Batch, not by Settings.
OF_LIBRARIES = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_LOG_LEVEL",
    "MALLOC_ARENA_MAX",
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_MMAP_THRESHOLD_",
    "OPENBLAS_NUM_THREADS",
    "RES_OPTIONS",
    "AWS_DEFAULT_REGION",
}
OF_BATCH = {"AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ATTEMPT"}
# Set by Lambda in every function.
OF_LAMBDA = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "AWS_REGION": "eu-west-1"}


def _names(*settings_types: Any) -> set[str]:
    return {field.encode_name for each in settings_types for field in msgspec.structs.fields(each)}


def _function_variables(name: str) -> dict[str, Any]:
    return dict(GPU.of_type("Lambda::Function")[name]["Environment"]["Variables"])


def _worker_variables() -> dict[str, Any]:
    container = GPU.of_type("Batch::JobDefinition")["BatchJobDefinition"]["ContainerProperties"]
    return {each["Name"]: each["Value"] for each in container["Environment"]}


def test_every_function_has_settings() -> None:
    assert FUNCTIONS.keys() == GPU.of_type("Lambda::Function").keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_template_sets_what_the_function_reads_and_nothing_else(name: str) -> None:
    assert _function_variables(name).keys() - OF_LIBRARIES == _names(*FUNCTIONS[name]) - OF_LAMBDA.keys()


def test_job_definition_sets_what_the_worker_reads_and_nothing_else() -> None:
    assert (
        _worker_variables().keys() - OF_LIBRARIES == _names(settings.WorkerSettings, settings.TenantSettings) - OF_BATCH
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_template_s_values_are_of_the_settings_types(name: str) -> None:
    environ = {key: _as_environ(value) for key, value in _function_variables(name).items()}

    for each in FUNCTIONS[name]:
        settings.load_settings(each, environ | OF_LAMBDA)


def test_the_worker_s_values_are_of_the_settings_types() -> None:
    environ = {key: _as_environ(value) for key, value in _worker_variables().items()}

    settings.load_settings(settings.WorkerSettings, environ)


def test_dispatch_can_be_told_that_there_is_no_gpu_lane() -> None:
    variables = CPU.of_type("Lambda::Function")["DispatchFunction"]["Environment"]["Variables"]

    assert (variables["BATCH_JOB_QUEUE"], variables["BATCH_JOB_DEFINITION"]) == ("", "")


def _as_environ(value: Any) -> str:
    """Render as an environment does; a reference to a resource becomes some text."""
    return "reference" if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_name_that_nobody_answers_for_is_given_up_before_a_door_must_answer(name: str) -> None:
    options = dict(each.split(":") for each in _function_variables(name)["RES_OPTIONS"].split())

    # The webhooks' receivers are other people's, and nobody waits at that door.
    most_s = 4 if name == "NotifyFunction" else 2
    assert int(options["timeout"]) * int(options["attempts"]) <= most_s
