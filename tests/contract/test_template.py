"""template.yaml keeps its rules, with and without the GPU lane; and each rule notices when it is broken."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

import pytest
import template_access_rules as access_rules
import template_build_rules as build_rules
import template_gateway_rules as gateway_rules
import template_lane_rules as lane_rules
import template_loop_rules as loop_rules
import template_queue_rules as queue_rules
from template_expanded import ROOT, WITH_GPU, WITHOUT_GPU, ExpandedTemplate, expand, refusals
from template_mutants import MUTANTS, SOURCE, Mutant
from template_upkeep_mutants import UPKEEP_MUTANTS, UPKEEP_RULES

from lambent.adapters.webhook_http import TOTAL_TIMEOUT_S
from lambent.domain.webhook_schedule import LONGEST_PAUSE_S, RETRIED_FOR_S, pause_s

# With the GPU lane comes what else is off by default.
OPTIONS = {"AllowedOrigins": "https://a.example,https://b.example", "AccessLog": "true"}
LANES = {"gpu": {**WITH_GPU, **OPTIONS}, "cpu": WITHOUT_GPU}
RULES = [
    *queue_rules.RULES,
    *access_rules.RULES,
    *lane_rules.RULES,
    *gateway_rules.RULES,
    *build_rules.RULES,
    *loop_rules.RULES,
]


@cache
def expanded(lane: str) -> ExpandedTemplate:
    return expand(SOURCE, LANES[lane])


EVERY_RULE, EVERY_MUTANT = [*RULES, *UPKEEP_RULES], [*MUTANTS, *UPKEEP_MUTANTS]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.__name__)
def test_template_keeps_the_rule(rule: Any, lane: str) -> None:
    assert list(rule(expanded(lane))) == []


@pytest.mark.parametrize(
    "mutant", EVERY_MUTANT, ids=lambda each: f"{each.rule.__name__}-{'.'.join(map(str, each.path))}"
)
def test_a_broken_template_is_noticed(mutant: Mutant) -> None:
    source = mutant.template()

    is_noticed = any(list(mutant.rule(expand(source, parameters))) for parameters in LANES.values())

    assert is_noticed


def test_each_rule_has_a_mutant() -> None:
    assert {mutant.rule for mutant in EVERY_MUTANT} == set(EVERY_RULE)


def test_the_api_is_deployed_anew_when_only_a_parameter_changes() -> None:
    """SAM names a deployment by its text, in which a parameter is a reference; a stage shows its deployment."""
    assert SOURCE["Resources"]["Api"]["Properties"]["AlwaysDeploy"] is True


@pytest.mark.parametrize("origins", ["*", "https://a.example", "http://localhost:3000,https://b.example:8443"])
def test_origins_are_declared_for_the_api_and_its_uploads_at_once(origins: str) -> None:
    declared = expand(SOURCE, {"AllowedOrigins": origins})

    (rule,) = declared.of_type("S3::Bucket")["DataBucket"]["CorsConfiguration"]["CorsRules"]
    variables = [
        function["Environment"]["Variables"].get("ALLOWED_ORIGINS")
        for name, function in declared.of_type("Lambda::Function").items()
        if name in {"PredictFunction", "JobsFunction"}
    ]
    assert re.fullmatch(SOURCE["Parameters"]["AllowedOrigins"]["AllowedPattern"], origins)
    assert rule["AllowedOrigins"] == {"Fn::Split": [",", origins]}
    assert variables == [origins, origins]


@pytest.mark.parametrize("origins", ["*,https://a.example", "https://a.example/", "https://a.example,", "ftp://a", "a"])
def test_what_is_no_list_of_origins_is_refused(origins: str) -> None:
    assert not re.fullmatch(SOURCE["Parameters"]["AllowedOrigins"]["AllowedPattern"], origins)


@pytest.mark.parametrize("python", SOURCE["Parameters"]["PythonVersion"]["AllowedValues"])
def test_functions_and_layers_follow_the_parameter(python: str) -> None:
    template = expand(SOURCE, {"PythonVersion": python})

    assert {each["Runtime"] for each in template.of_type("Lambda::Function").values()} == {python}
    assert list(build_rules.code_is_for_the_python_and_processor_that_are_asked_for(template)) == []


def test_samconfig_tells_build_and_deploy_the_same_python_processor_and_interpreter() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]

    told = dict(pair.split("=") for pair in config["global"]["parameters"]["parameter_overrides"].split())
    assert set(told) >= {"PythonVersion", "Architecture", "Interpreter"}
    assert refusals(expanded("cpu"), told) == []
    assert [verb for verb in ("build", "deploy") if "parameter_overrides" in config[verb]["parameters"]] == []


@pytest.mark.parametrize("level", SOURCE["Parameters"]["LogLevel"]["AllowedValues"])
def test_functions_log_at_each_level_that_can_be_asked_for(level: str) -> None:
    asked = expand(SOURCE, {**WITH_GPU, "LogLevel": level})

    assert list(lane_rules.functions_log_at_the_level_that_is_asked_for(asked)) == []


def test_the_queue_of_webhooks_lets_the_function_retry_for_its_whole_day() -> None:
    queue = expanded("cpu").of_type("SQS::Queue")["NotifyQueue"]
    function = expanded("cpu").of_type("Lambda::Function")["NotifyFunction"]
    attempts, age_s = 1, 0
    while (pause := pause_s(attempts, age_s=age_s, jitter=0.0)) is not None:
        attempts, age_s = attempts + 1, age_s + pause

    assert queue["MessageRetentionPeriod"] > RETRIED_FOR_S
    assert queue["RedrivePolicy"]["maxReceiveCount"] > 2 * attempts  # receives that a crash wastes included
    assert LONGEST_PAUSE_S < 12 * 3600  # SQS hides a message for no longer
    assert function["Timeout"] >= TOTAL_TIMEOUT_S + 10  # the look-up, and the records


def test_webhooks_leave_from_outside_of_any_network_and_trust_no_host_unless_told_to() -> None:
    function = expanded("cpu").of_type("Lambda::Function")["NotifyFunction"]

    assert "VpcConfig" not in function
    assert SOURCE["Parameters"]["WebhookTrustedHosts"]["Default"] == ""


def test_the_shortest_retention_of_uploads_still_outlives_their_messages() -> None:
    shortest = {"UploadRetentionDays": str(SOURCE["Parameters"]["UploadRetentionDays"]["MinValue"])}

    assert list(access_rules.data_outlives_its_messages(expand(SOURCE, shortest))) == []


@pytest.mark.parametrize("parameter", ["PredictMemory", "PreprocessMemory", "InferMemory"])
def test_functions_that_decode_pictures_have_room_for_the_largest(parameter: str) -> None:
    assert SOURCE["Parameters"][parameter]["MinValue"] >= 1024


def test_without_the_gpu_lane_nothing_of_it_is_deployed() -> None:
    kinds = {each["Type"] for each in expanded("cpu").resources.values()}

    assert not [kind for kind in kinds if kind.startswith(("AWS::Batch::", "AWS::EC2::"))]
    assert "JobEventsFunction" not in expanded("cpu").resources


def test_a_vpc_of_the_user_is_taken_as_it_is() -> None:
    given = expand(SOURCE, {**WITH_GPU, "VpcId": "vpc-12345678", "SubnetIds": "subnet-12345678,subnet-23456789"})

    environment = given.of_type("Batch::ComputeEnvironment")["BatchComputeEnvironment"]["ComputeResources"]
    assert not given.of_type("EC2::VPC")
    assert environment["Subnets"] == "subnet-12345678,subnet-23456789"
    assert given.of_type("EC2::SecurityGroup")["BatchSecurityGroup"]["VpcId"] == "vpc-12345678"


def test_only_the_data_bucket_has_a_name_of_our_own() -> None:
    named = {"BucketName", "QueueName", "TableName", "TopicName", "FunctionName", "RoleName", "LogGroupName"}

    found = {
        name
        for name, each in expanded("gpu").resources.items()
        if named & each.get("Properties", {}).keys() and each["Type"] not in _TAKE_NAMES
    }

    assert found == {"DataBucket"}


# These properties name another resource.
_TAKE_NAMES = {"AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"}


def test_every_parameter_is_described_and_bounded() -> None:
    bounds = {"AllowedValues", "AllowedPattern", "MinValue"}

    loose = {
        name
        for name, each in SOURCE["Parameters"].items()
        if not each.get("Description") or (each["Type"] != "CommaDelimitedList" and not bounds & each.keys())
    }

    assert loose == set()


def test_the_expanded_template_is_the_whole_one() -> None:
    assert isinstance(expanded("gpu"), ExpandedTemplate)
    assert len(expanded("gpu").of_type("Lambda::Function")) == 9
