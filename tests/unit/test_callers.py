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


def test_a_withdrawn_key_or_scope_counts_for_less_than_five_seconds() -> None:
    clock, registry = FakeClock(), FakeRegistry(callers={"k": Caller("other")})
    identify = service(registry, clock)
    identify.caller("k")
    registry.callers["k"] = Caller("other", frozenset({Scope.JOBS}))
    clock.advance(4)
    narrowed = identify.caller("k")
    registry.callers.clear()

    clock.advance(2)
    assert identify.caller("k") == narrowed == Caller("other", frozenset({Scope.JOBS}))
    clock.advance(2)
    with pytest.raises(AuthInvalid):
        identify.caller("k")


def test_a_key_in_use_is_looked_up_once_in_three_seconds() -> None:
    clock, registry = FakeClock(), FakeRegistry(callers={"k": Caller("other")})
    looked_up: list[str] = []
    find = registry.caller_of
    registry.caller_of = lambda key: looked_up.append(key) or find(key)  # type: ignore[method-assign,func-returns-value]
    identify = service(registry, clock)

    for _ in range(120):
        identify.caller("k")
        clock.advance(0.1)

    assert len(looked_up) == 4


@pytest.mark.parametrize(
    "tenant", ["a/b", "../x", "x#y", "", ".", "a" * 65, "Acme", "ä", "a\n", "a b", "a\0", "-a", "a*", "a?b", "a${b}"]
)
def test_a_key_of_a_tenant_whose_name_is_not_allowed_opens_nothing(tenant: str) -> None:
    with pytest.raises(AuthInvalid, match="lambent key create") as refusal:
        service(FakeRegistry(callers={"k": Caller(tenant)})).caller("k")

    assert (refusal.value.field, refusal.value.got) == ("x-api-key", None)


def test_a_missing_scope_of_several_is_named_with_the_others() -> None:
    caller = Caller("other", frozenset({Scope.OPERATOR}))

    with pytest.raises(ForbiddenAction, match="'predict' or 'jobs'") as refusal:
        caller.require(Scope.PREDICT, Scope.JOBS)

    assert (refusal.value.limit, refusal.value.got) == (["predict", "jobs"], ["operator"])
