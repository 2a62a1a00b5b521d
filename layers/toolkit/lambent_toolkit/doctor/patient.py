"""What checks look at: one stack, by the names that every stack has, and its HTTP door."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import httpx

from lambent.domain.model import LIVE, TFLITE_FILE, ModelRef
from lambent_toolkit.doctor.trial import Trial
from lambent_toolkit.modelkit.rollout import Rollout
from lambent_toolkit.stacks.errors import telling_aws_errors
from lambent_toolkit.stacks.stack import Stack
from lambent_toolkit.tenants.directory import default_tenant

T = TypeVar("T")
_TIMEOUT_S = 60.0  # a cold start behind API Gateway's 29 s, and the way there
_PAUSE_S = 0.5


@dataclass
class Patient:
    """A stack under examination; what several checks need is read once.

    Parameters
    ----------
    model       model for the round trips; the first that has a label `live` if None
    is_gpu      let a job run on the GPU lane, which starts an instance
    wait_s      how long a round trip may take before it counts as lost
    gpu_wait_s  the same for one on the GPU lane, whose instance has to be found and started
    transport   for tests that answer in this process
    now_s       seconds of a clock that only goes forward
    epoch_s     seconds since 1970
    pause       wait for some seconds
    """

    stack: Stack
    model: str | None = None
    is_gpu: bool = False
    wait_s: float = 180.0
    gpu_wait_s: float = 1800.0
    transport: httpx.BaseTransport | None = None
    now_s: Callable[[], float] = time.monotonic
    epoch_s: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _trials: dict[ModelRef, Trial] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Any:
        """Return the SDK's client of a service, made once."""
        if service not in self._clients:
            self._clients[service] = self.stack.client(service)
        return self._clients[service]

    @cached_property
    def http(self) -> httpx.Client:
        """The HTTP door, with the stack's own key; it follows no redirect."""
        return self._http({"x-api-key": self.stack.api_key})

    @cached_property
    def stranger(self) -> httpx.Client:
        """The same without a key, for open routes and for other hosts, which must not see the key."""
        return self._http({})

    def _http(self, headers: dict[str, str]) -> httpx.Client:
        return httpx.Client(
            base_url=self.stack.url,
            headers=headers,
            timeout=_TIMEOUT_S,
            transport=self.transport,
            follow_redirects=False,
        )

    def wait_for(self, look: Callable[[], T | None], *, wait_s: float | None = None) -> T | None:
        """Look again and again until there is something; None if there was nothing within ``wait_s``."""
        until_s = self.now_s() + (self.wait_s if wait_s is None else wait_s)
        while (found := look()) is None and self.now_s() < until_s:
            self.pause(_PAUSE_S)
        return found

    @cached_property
    def record(self) -> dict[str, Any]:
        """CloudFormation's word on the stack."""
        with telling_aws_errors():
            (found,) = self.client("cloudformation").describe_stacks(StackName=self.stack.name)["Stacks"]
        return dict(found)

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The template parameters that the stack was deployed with, all of them."""
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in self.record.get("Parameters", [])}

    @cached_property
    def functions(self) -> dict[str, dict[str, Any]]:
        """Lambda's configuration of each function, by its short name."""
        client = self.client("lambda")
        with telling_aws_errors():
            return {
                name: client.get_function_configuration(FunctionName=function)
                for name, function in self.stack.functions.items()
            }

    @cached_property
    def tenant(self) -> str:
        """The tenant of the stack's own key."""
        return default_tenant(self.stack)

    @cached_property
    def rollout(self) -> Rollout:
        """The stack's registry and the files of its versions."""
        return Rollout(self.stack)

    @cached_property
    def served(self) -> list[ModelRef]:
        """Every version that a label or a canary points to."""
        registry = self.rollout.registry
        found: set[ModelRef] = set()
        for name in registry.models():
            for label in registry.labels(name):
                found.add(ModelRef(name, label.version))
                if label.canary is not None:
                    found.add(ModelRef(name, label.canary.version))
        return sorted(found, key=str)

    @cached_property
    def live(self) -> ModelRef | None:
        """The version for the round trips: the stable one of a label `live`; None if no model has one."""
        registry = self.rollout.registry
        for name in registry.models() if self.model is None else [self.model]:
            label = registry.label(name, LIVE)
            if label is not None:
                return ModelRef(name, label.version)
        return None

    @property
    def trial(self) -> Trial:
        """An item of the live version with its recorded answer; only where `live` is not None."""
        if self.live is None:
            raise LookupError("no model is live")  # checks that use it need one
        return self.trial_of(self.live)

    def trial_of(self, ref: ModelRef) -> Trial:
        """Return an item of a version with its recorded answer; may raise LambentError."""
        if ref not in self._trials:
            files = self.rollout.files
            manifest = files.manifest(ref)
            contract, _ = files.preprocessing(ref, manifest)
            self._trials[ref] = Trial(ref, contract, files.golden(ref, manifest, TFLITE_FILE))
        return self._trials[ref]

    @property
    def has_gpu_lane(self) -> bool:
        """Whether the stack has one."""
        return "BatchJobQueue" in self.stack.resources
