"""An API key is a tenant with scopes."""

import pytest

from lambent.domain.caller import Caller, Scope
from lambent.errors import AuthInvalid, ForbiddenAction
from lambent.services.identify import IdentifyService
from lambent_toolkit.fakes import FakeClock, FakeRegistry


def service(registry: FakeRegistry, clock: FakeClock | None = None) -> IdentifyService:
    return IdentifyService(registry, clock or FakeClock(), own_key_id="own", default_tenant="acme")


def test_the_stacks_own_key_may_do_everything_and_is_never_looked_up() -> None:
    registry = FakeRegistry()
    registry.caller_of = lambda _: pytest.fail("looked up")  # type: ignore[method-assign]

    caller = service(registry).caller("own")

    assert (caller.tenant, caller.scopes) == ("acme", set(Scope))


@pytest.mark.parametrize("key_id", [None, "", "unknown"])
def test_no_key_and_an_unknown_one_are_nobody(key_id: str | None) -> None:
    with pytest.raises(AuthInvalid) as refusal:
        service(FakeRegistry()).caller(key_id)

    assert refusal.value.field == "x-api-key"


def test_a_missing_scope_is_named() -> None:
    caller = service(FakeRegistry(callers={"k": Caller("other")})).caller("k")

    caller.require(Scope.JOBS)
    with pytest.raises(ForbiddenAction, match="'operator'") as refusal:
        caller.require(Scope.OPERATOR)

    assert (refusal.value.limit, refusal.value.got) == ("operator", ["jobs", "predict"])


def test_a_withdrawn_key_counts_for_a_minute_at_most() -> None:
    clock, registry = FakeClock(), FakeRegistry(callers={"k": Caller("other")})
    identify = service(registry, clock)
    identify.caller("k")
    registry.callers.clear()

    clock.advance(59)
    assert identify.caller("k").tenant == "other"
    clock.advance(2)
    with pytest.raises(AuthInvalid):
        identify.caller("k")
