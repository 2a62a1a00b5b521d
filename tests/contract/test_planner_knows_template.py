"""What the planner takes for granted is what template.yaml says."""

from __future__ import annotations

from template_expanded import WITH_GPU, WITHOUT_GPU, expand, read_source

from lambent.domain.lanes import MESSAGES_AN_INVOCATION
from lambent.domain.prices import PRICES
from lambent.domain.shard_window import places_of_a_tenant
from lambent.runtime.settings import LaneSettings, load_settings
from lambent.services.sweep import RETENTION_S

SOURCE = read_source()
GPU, CPU = (expand(SOURCE, parameters) for parameters in (WITH_GPU, WITHOUT_GPU))


def _variables(template, function: str) -> dict[str, str]:
    variables = template.of_type("Lambda::Function")[function]["Environment"]["Variables"]
    return {name: "reference" if isinstance(value, dict) else str(value) for name, value in variables.items()}


def test_the_sweep_knows_how_long_the_queues_keep_what_waits() -> None:
    queues = GPU.of_type("SQS::Queue")

    assert {queues[name]["MessageRetentionPeriod"] for name in ("BatchQueue", "InferQueue")} == {RETENTION_S}


def test_both_functions_that_plan_know_the_same_lanes() -> None:
    settings = [
        load_settings(LaneSettings, _variables(GPU, function) | {"AWS_REGION": "eu-west-1"})
        for function in ("DispatchFunction", "JobsFunction")
    ]

    assert settings[0].lanes == settings[1].lanes


def test_the_cpu_lane_is_the_function_behind_the_queue() -> None:
    function = GPU.of_type("Lambda::Function")["InferFunction"]
    (mapping,) = (
        each for name, each in GPU.of_type("Lambda::EventSourceMapping").items() if name.startswith("InferFunction")
    )
    lanes = load_settings(LaneSettings, _variables(GPU, "DispatchFunction") | {"AWS_REGION": "eu-west-1"}).lanes

    assert mapping["BatchSize"] == MESSAGES_AN_INVOCATION
    assert lanes.cpu.timeout_s == function["Timeout"]
    assert lanes.cpu.memory_mib == function["MemorySize"]
    assert lanes.cpu.max_concurrency == places_of_a_tenant(mapping["ScalingConfig"]["MaximumConcurrency"])
    assert [lanes.cpu.architecture] == function["Architectures"]


def test_the_gpu_lane_is_the_compute_environment() -> None:
    (environment,) = GPU.of_type("Batch::ComputeEnvironment").values()
    definition = GPU.of_type("Batch::JobDefinition")["BatchJobDefinition"]
    lane = load_settings(LaneSettings, _variables(GPU, "DispatchFunction") | {"AWS_REGION": "eu-west-1"}).lanes.gpu

    types = GPU.of_type("Lambda::Function")["DispatchFunction"]["Environment"]["Variables"]["GPU_INSTANCE_TYPES"]
    assert types == {"Fn::Join": [",", environment["ComputeResources"]["InstanceTypes"]]}
    assert lane.max_hosts * lane.worker_vcpus == environment["ComputeResources"]["MaxvCpus"]
    assert lane.timeout_s == definition["Timeout"]["AttemptDurationSeconds"]
    assert set(environment["ComputeResources"]["InstanceTypes"].split(",")) <= PRICES.hours.keys()


def test_without_a_gpu_lane_the_planner_has_none() -> None:
    settings = load_settings(LaneSettings, _variables(CPU, "JobsFunction") | {"AWS_REGION": "eu-west-1"})

    assert settings.lanes.gpu is None
