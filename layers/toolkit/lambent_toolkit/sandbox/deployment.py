"""What a created stack consists of, read from the storage's record: functions, mappings, rules, API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.function_spec import FunctionSpec
from lambent_toolkit.sandbox.options import ACCOUNT_ID, REGION

# By which the product's functions are told what the template's parameter AllowedOrigins says.
ORIGINS_VARIABLE = "ALLOWED_ORIGINS"


@dataclass(frozen=True)
class Resource:
    """One created resource; every intrinsic function in its properties is resolved."""

    logical_id: str
    kind: str
    physical_id: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class QueueMapping:
    """One event source mapping of a queue to a function."""

    function_name: str
    queue_url: str
    queue_arn: str
    visibility_timeout_s: int
    batch_size: int
    window_s: float
    max_concurrency: int | None
    is_partial: bool


@dataclass(frozen=True)
class ScheduleRule:
    """One EventBridge rule with a schedule and a target."""

    name: str
    expression: str
    target_arn: str
    input: str | None


@dataclass(frozen=True)
class Deployment:
    """A created stack.

    Parameters
    ----------
    resources : dict     logical id -> Resource
    code : dict          logical id of a function or layer version -> folder of its artifact
    """

    resources: dict[str, Resource]
    code: dict[str, Path]

    @classmethod
    def from_record(cls, record: dict[str, Any], code: dict[str, Path]) -> Deployment:
        """Read the storage's record of created resources.

        Raises
        ------
        BrokenTemplate   the template has types that the storage cannot create
        """
        if record["unsupported"]:
            kinds = ", ".join(record["unsupported"])
            raise BrokenTemplate(f"the local stack cannot create {kinds} (No Moto CloudFormation support)")
        resources = {
            name: Resource(name, each["type"], each["physical_id"], each["properties"])
            for name, each in record["resources"].items()
            if "physical_id" in each
        }
        return cls(resources, code)

    def of_kind(self, kind: str) -> Iterator[Resource]:
        """Iterate over the resources of one type."""
        return (each for each in self.resources.values() if each.kind == kind)

    def physical_ids(self) -> dict[str, str]:
        """Return logical id -> physical id."""
        return {name: each.physical_id for name, each in self.resources.items()}

    def functions(self) -> list[FunctionSpec]:
        """Return every function, ready to run."""
        layers = {each.physical_id: self._layer_path(each) for each in self.of_kind("AWS::Lambda::LayerVersion")}
        configs = {each.properties["FunctionName"]: each for each in self.of_kind("AWS::Lambda::EventInvokeConfig")}
        return [
            self._function(each, layers, configs.get(each.physical_id))
            for each in self.of_kind("AWS::Lambda::Function")
        ]

    def _layer_path(self, layer: Resource) -> Path:
        return self.code[layer.logical_id] / "python"

    def _function(self, resource: Resource, layers: dict[str, Path], config: Resource | None) -> FunctionSpec:
        properties = resource.properties
        variables = properties.get("Environment", {}).get("Variables", {})
        invoke = config.properties if config else {}
        destination = invoke.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        reserved = properties.get("ReservedConcurrentExecutions")
        logging = properties.get("LoggingConfig", {})
        return FunctionSpec(
            logical_id=resource.logical_id,
            name=resource.physical_id,
            handler=properties["Handler"],
            task_root=self.code[resource.logical_id],
            layer_paths=tuple(layers[arn] for arn in properties.get("Layers", [])),
            timeout_s=int(properties.get("Timeout", 3)),
            memory_mib=int(properties.get("MemorySize", 128)),
            environment={key: str(value) for key, value in variables.items()},
            log_format=logging.get("LogFormat", "Text"),
            log_level=_log_level(logging),
            may_recurse=properties.get("RecursiveLoop", "Terminate") == "Allow",
            reserved_concurrency=None if reserved is None else int(reserved),
            async_retries=int(invoke.get("MaximumRetryAttempts", 2)),
            on_failure=_queue_only(destination or properties.get("DeadLetterConfig", {}).get("TargetArn")),
            is_destination=destination is not None,
            role_arn=str(properties.get("Role", "")),
        )

    def page_origins(self) -> frozenset[str]:
        """Return the origins of web pages that the stack's functions let in; "*" stands for all."""
        listed = (each.environment.get(ORIGINS_VARIABLE, "") for each in self.functions())
        return frozenset(origin for text in listed for origin in text.split(",") if origin)

    def queue_mappings(self) -> list[QueueMapping]:
        """Return every enabled mapping of a queue to a function.

        Raises
        ------
        BrokenTemplate   a mapping has a filter or another source, which the poller does not know
        """
        enabled = [each for each in self.of_kind("AWS::Lambda::EventSourceMapping") if _is_true(each, "Enabled")]
        return [self._mapping(each) for each in enabled]

    def _mapping(self, resource: Resource) -> QueueMapping:
        properties = resource.properties
        queues = {queue_arn(each.physical_id): each for each in self.of_kind("AWS::SQS::Queue")}
        queue = queues.get(properties["EventSourceArn"])
        if queue is None or "FilterCriteria" in properties:
            raise BrokenTemplate(f"{resource.logical_id}: only SQS queues without filters can be polled locally")
        concurrency = properties.get("ScalingConfig", {}).get("MaximumConcurrency")
        return QueueMapping(
            function_name=properties["FunctionName"],
            queue_url=queue.physical_id,
            queue_arn=properties["EventSourceArn"],
            visibility_timeout_s=int(queue.properties.get("VisibilityTimeout", 30)),
            batch_size=int(properties.get("BatchSize", 10)),
            window_s=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
            max_concurrency=None if concurrency is None else int(concurrency),
            is_partial="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        )

    def schedules(self) -> list[ScheduleRule]:
        """Return every enabled rule with a schedule, once per target."""
        return [
            ScheduleRule(rule.physical_id, rule.properties["ScheduleExpression"], target["Arn"], target.get("Input"))
            for rule in self.of_kind("AWS::Events::Rule")
            if "ScheduleExpression" in rule.properties and rule.properties.get("State", "ENABLED") == "ENABLED"
            for target in rule.properties.get("Targets", [])
        ]


def queue_arn(url: str) -> str:
    """Return the ARN of the queue with this URL."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{url.rpartition('/')[2]}"


def _log_level(logging: dict[str, Any]) -> str | None:
    """Return the level that Lambda tells the runtime: with JSON records INFO if none is set, with text none at all.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    if logging.get("LogFormat") != "JSON":
        return None
    return str(logging.get("ApplicationLogLevel", "INFO"))


def _is_true(resource: Resource, name: str) -> bool:
    return str(resource.properties.get(name, True)).lower() == "true"


def _queue_only(arn: str | None) -> str | None:
    if arn is not None and ":sqs:" not in arn:
        raise BrokenTemplate(f"failed events can go to SQS queues only in the local stack, not to {arn}")
    return arn
