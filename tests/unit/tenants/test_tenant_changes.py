"""Tenants and keys: each change is whole and has an audit line; no death in between leaves a key open and unlisted."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from lambent.adapters.dynamodb_registry import DynamoRegistry
from lambent.adapters.dynamodb_table import DynamoTable
from lambent.domain.caller import DEFAULT_SCOPES, Scope
from lambent.errors import AuthInvalid, NameInvalid
from lambent.services.identify import IdentifyService
from lambent_toolkit.cli import tenant as tenant_commands
from lambent_toolkit.cli.main import app
from lambent_toolkit.fakes import FakeClock
from lambent_toolkit.tenants import Quota, Tenants
from lambent_toolkit.tenants.errors import KeyClosed, KeyUnknown, QuotaInvalid, TenantExists, TenantInUse, TenantUnknown

REGION = "us-east-1"
KEYS = [{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))]
COLUMNS = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]


def client(service: str, **_: Any) -> Any:
    return boto3.client(service, region_name=REGION)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Stand in for a deployed stack: a table, an API with a stage, a plan, the stack's own key."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("lambent_toolkit.tenants.directory.default_tenant", lambda _: "default")
    with mock_aws():
        client("dynamodb").create_table(
            TableName="t", KeySchema=KEYS, AttributeDefinitions=COLUMNS, BillingMode="PAY_PER_REQUEST"
        )
        gateway = client("apigateway")
        api = gateway.create_rest_api(name="api")["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
        gateway.create_deployment(restApiId=api, stageName="dev")
        plan = gateway.create_usage_plan(
            name="own", apiStages=[{"apiId": api, "stage": "dev"}], throttle={"rateLimit": 50.0, "burstLimit": 100}
        )["id"]
        own = gateway.create_api_key(name="own", enabled=True)["id"]
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=own, keyType="API_KEY")
        yield SimpleNamespace(
            name="shop",
            client=client,
            table="t",
            api_key_id=own,
            resources={"UsagePlan": plan, "ApiKey": own},
            functions={},
        )


@pytest.fixture
def tenants(stack: SimpleNamespace) -> Tenants:
    return Tenants(stack, by="ada", clock=FakeClock())


def is_open(key_id: str) -> bool:
    """Return whether API Gateway lets this key through: it is enabled, and in a plan."""
    gateway = client("apigateway")
    try:
        enabled = gateway.get_api_key(apiKey=key_id)["enabled"]
    except ClientError:
        return False
    plans = gateway.get_usage_plans()["items"]
    members = [each["id"] for plan in plans for each in gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"]]
    return bool(enabled) and key_id in members


def identify(key_id: str, clock: FakeClock | None = None) -> Any:
    registry = DynamoRegistry(DynamoTable(client("dynamodb"), "t"))
    return IdentifyService(registry, clock or FakeClock(), own_key_id="-", default_tenant="-").caller(key_id)


def test_a_key_of_a_tenant_is_let_through_and_stands_for_it(tenants: Tenants) -> None:
    tenants.add("acme")

    key, value = tenants.create_key("acme", scopes={Scope.PREDICT}, why="first")

    assert client("apigateway").get_api_key(apiKey=key.key_id, includeValue=True)["value"] == value
    assert is_open(key.key_id)
    assert (identify(key.key_id).tenant, identify(key.key_id).scopes) == ("acme", {Scope.PREDICT})
    assert tenants.keys_of("acme") == [key]
    assert tenants.value_of(key.key_id) == value


def test_every_change_leaves_an_audit_line(tenants: Tenants) -> None:
    tenants.add("acme", why="customer 7")
    key, _ = tenants.create_key("acme")
    new, _ = tenants.rotate_key(key.key_id, grace_s=60, why="yearly")
    tenants.revoke_key(new.key_id, why="leaked")
    tenants.remove("acme")
    tenants.add("acme", is_restored=True)

    lines = tenants.history("acme")

    said = sorted((line.action, line.key_id) for line in lines)
    assert said == sorted(
        [
            *(("added", ""), ("key created", key.key_id), ("key rotated in", new.key_id)),
            *(("key rotated out", key.key_id), ("key revoked", new.key_id), ("removed", "")),
            *(("key revoked", key.key_id), ("restored", "")),
        ]
    )
    assert {line.by for line in lines} == {"ada"}
    assert {"customer 7", "yearly", "leaked"} <= {line.why for line in lines}


def test_names_are_held_to_the_rule_and_taken_once(tenants: Tenants) -> None:
    tenants.add("acme")

    with pytest.raises(TenantExists, match="already, added"):
        tenants.add("acme")
    with pytest.raises(TenantExists, match="default tenant"):
        tenants.add("default")
    with pytest.raises(NameInvalid):
        tenants.add("../acme")


def test_a_removed_tenants_files_are_not_given_to_another_by_its_name(tenants: Tenants) -> None:
    tenants.add("acme")
    tenants.remove("acme")

    with pytest.raises(TenantExists, match="--restore"):
        tenants.add("acme")
    assert tenants.add("acme", is_restored=True).name == "acme"


def test_a_removed_tenant_has_no_key_and_gets_none(tenants: Tenants) -> None:
    tenants.add("acme")
    keys = [tenants.create_key("acme")[0] for _ in range(2)]

    removed = tenants.remove("acme")

    assert {key.key_id for key in removed} == {key.key_id for key in keys}
    assert not any(is_open(key.key_id) for key in keys)
    with pytest.raises(AuthInvalid):
        identify(keys[0].key_id)
    with pytest.raises(TenantUnknown, match="was removed"):
        tenants.create_key("acme")
    with pytest.raises(TenantUnknown, match="was removed"):
        tenants.remove("acme")
    assert [each.name for each in tenants.list()] == ["default"]


def test_who_is_killed_while_removing_says_it_again(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants.add("acme")
    keys = [tenants.create_key("acme")[0] for _ in range(3)]
    revoke, killed = Tenants._revoke, iter([False, True, False, False, False])

    def dying(self: Tenants, key: Any, *, why: str) -> None:
        if next(killed):
            raise KeyboardInterrupt
        revoke(self, key, why=why)

    monkeypatch.setattr(Tenants, "_revoke", dying)
    with pytest.raises(KeyboardInterrupt):
        tenants.remove("acme")

    tenants.remove("acme")

    assert not any(is_open(key.key_id) for key in keys)
    assert tenants.keys("acme") == []


@pytest.mark.parametrize("step", ["create_api_key", "transact_write_items", "create_usage_plan_key", "update_api_key"])
def test_a_death_at_any_step_of_making_a_key_leaves_none_that_is_open_and_unlisted(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    tenants.add("acme")
    before = {each["id"] for each in client("apigateway").get_api_keys()["items"]}
    real = tenants._keys._client if step != "transact_write_items" else tenants._rows._table._client
    call = getattr(real, step)

    def dying(**arguments: Any) -> Any:
        call(**arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(real, step, dying)
    with pytest.raises(KeyboardInterrupt):
        tenants.create_key("acme")
    monkeypatch.setattr(real, step, call)

    made = {each["id"] for each in client("apigateway").get_api_keys()["items"]} - before
    listed = {key.key_id for key in tenants.keys_of("acme")}
    assert len(made) == 1
    assert {key_id for key_id in made if is_open(key_id)} <= listed
    for key_id in listed:
        tenants.revoke_key(key_id)
        assert not is_open(key_id)


def test_a_rotated_key_works_on_for_its_grace_and_no_longer(stack: SimpleNamespace) -> None:
    clock = FakeClock()
    tenants = Tenants(stack, by="ada", clock=clock)
    tenants.add("acme")
    old, old_value = tenants.create_key("acme", scopes={Scope.JOBS}, quota=Quota(10))

    new, value = tenants.rotate_key(old.key_id, grace_s=3600)

    assert (new.scopes, new.quota, value == old_value) == (old.scopes, old.quota, False)
    assert identify(new.key_id, clock).tenant == "acme"
    assert tenants.find_key(old.key_id).valid_until is not None
    clock.advance(3599)
    assert identify(old.key_id, clock).tenant == "acme"
    clock.advance(2)
    with pytest.raises(AuthInvalid, match="was rotated"):
        identify(old.key_id, clock)


def test_a_remembered_key_ends_at_its_time_and_not_a_minute_later(stack: SimpleNamespace) -> None:
    clock = FakeClock()
    tenants = Tenants(stack, clock=clock)
    tenants.add("acme")
    old, _ = tenants.create_key("acme")
    tenants.rotate_key(old.key_id, grace_s=10)
    service = IdentifyService(
        DynamoRegistry(DynamoTable(client("dynamodb"), "t")), clock, own_key_id="-", default_tenant="-"
    )
    service.caller(old.key_id)

    clock.advance(11)

    with pytest.raises(AuthInvalid):
        service.caller(old.key_id)


def plans(quota: str) -> list[dict[str, Any]]:
    found = client("apigateway").get_usage_plans()["items"]
    return [plan for plan in found if plan["name"] == f"shop {quota}"]


def test_a_plan_that_somebody_was_killed_while_deleting_gets_no_key(tenants: Tenants) -> None:
    tenants.add("acme")
    client("apigateway").create_usage_plan(name="shop 10/day")

    key, _ = tenants.create_key("acme", quota=Quota(10))

    (used,) = [plan for plan in plans("10/day") if plan.get("apiStages")]
    assert [each["id"] for each in client("apigateway").get_usage_plan_keys(usagePlanId=used["id"])["items"]] == [
        key.key_id
    ]
    tenants.revoke_key(key.key_id)
    assert plans("10/day") == []


def test_two_who_make_the_first_key_of_a_quota_at_once_leave_no_plan_behind(
    tenants: Tenants, stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants.add("acme")
    other = Tenants(stack, by="bob", clock=FakeClock())
    with monkeypatch.context() as blind:
        blind.setattr(tenants._keys, "_find_plans", lambda _quota: [])
        first, _ = other.create_key("acme", quota=Quota(10))
        second, _ = tenants.create_key("acme", quota=Quota(10))
    assert len(plans("10/day")) == 2

    for key in (second, first):
        tenants.revoke_key(key.key_id)

    assert plans("10/day") == []


def test_no_reason_can_look_like_another_line_of_the_history(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_commands, "tenants_of", lambda *_: tenants)
    tenants.add("acme", why="x\n2026-01-01T00:00:00Z  eve  key created\x1b[2J")

    shown = CliRunner().invoke(app, ["tenant", "history", "acme"]).stdout

    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown


def test_a_user_without_a_name_is_known_by_number(stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54_321_987)
    tenants = Tenants(stack, clock=FakeClock())

    assert tenants.add("acme").by == "uid 54321987"


@pytest.mark.parametrize("passed_s", [5, 20])
def test_no_rotation_gives_a_key_more_time_than_the_first(stack: SimpleNamespace, passed_s: float) -> None:
    clock = FakeClock()
    tenants = Tenants(stack, by="ada", clock=clock)
    tenants.add("acme")
    old, _ = tenants.create_key("acme")
    tenants.rotate_key(old.key_id, grace_s=10)
    end = tenants.find_key(old.key_id).valid_until
    clock.advance(passed_s)

    with pytest.raises(KeyClosed, match="rotated"):
        tenants.rotate_key(old.key_id, grace_s=1000)

    assert tenants.find_key(old.key_id).valid_until == end
    assert len(tenants.keys("acme")) == 2


def test_of_two_who_rotate_a_key_at_once_one_is_told_and_leaves_no_key(
    tenants: Tenants, stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants.add("acme")
    old, _ = tenants.create_key("acme")
    other = Tenants(stack, by="bob", clock=FakeClock())
    create = tenants._keys.create
    monkeypatch.setattr(
        tenants._keys, "create", lambda name: [other.rotate_key(old.key_id, grace_s=60), create(name)][1]
    )

    with pytest.raises(KeyClosed, match="just now"):
        tenants.rotate_key(old.key_id, grace_s=6000)

    assert sorted(key.by for key in tenants.keys("acme")) == ["ada", "bob"]
    assert all(is_open(key.key_id) for key in tenants.keys("acme"))


def test_the_value_of_a_key_that_opens_nothing_is_not_told(tenants: Tenants, stack: SimpleNamespace) -> None:
    tenants.revoke_key(stack.api_key_id)

    with pytest.raises(KeyClosed, match="opens nothing"):
        tenants.value_of()


def test_without_grace_the_old_key_is_gone(tenants: Tenants) -> None:
    tenants.add("acme")
    old, _ = tenants.create_key("acme")

    tenants.rotate_key(old.key_id, grace_s=0)

    assert not is_open(old.key_id)
    with pytest.raises(KeyUnknown):
        tenants.find_key(old.key_id)


def test_the_stacks_own_key_is_disabled_and_stays_the_templates(tenants: Tenants, stack: SimpleNamespace) -> None:
    new, _ = tenants.rotate_key(stack.api_key_id, grace_s=3600)

    assert (new.tenant, new.scopes) == ("default", set(Scope))
    assert client("apigateway").get_api_key(apiKey=stack.api_key_id)["enabled"] is False
    with pytest.raises(TenantInUse):
        tenants.remove("default")


def test_keys_of_the_same_quota_share_a_plan_which_goes_with_the_last_of_them(tenants: Tenants) -> None:
    tenants.add("acme")
    tenants.add("globex")
    keys = [tenants.create_key(name, quota=Quota.parse("20/week"))[0] for name in ("acme", "globex")]
    gateway = client("apigateway")

    (plan,) = [each for each in gateway.get_usage_plans()["items"] if each["name"] != "own"]

    assert (plan["quota"]["limit"], plan["quota"]["period"]) == (20, "WEEK")
    assert plan["throttle"] == {"rateLimit": 50.0, "burstLimit": 100}
    tenants.revoke_key(keys[0].key_id)
    assert len(gateway.get_usage_plans()["items"]) == 2
    tenants.revoke_key(keys[1].key_id)
    assert [each["name"] for each in gateway.get_usage_plans()["items"]] == ["own"]


@pytest.mark.parametrize("text", ["", "0/day", "-1/day", "10/hour", "10 / day", "1e3/day", "99999999999/day", "day"])
def test_what_is_no_quota_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(QuotaInvalid, match="1000/day"):
        Quota.parse(text)


@pytest.mark.parametrize(("text", "quota"), [("5", Quota(5)), ("7/MONTH", Quota(7, "month")), ("9/day", Quota(9))])
def test_a_quota_is_read_as_it_is_written(text: str, quota: Quota) -> None:
    assert Quota.parse(text) == quota
    assert Quota.parse(str(quota)) == quota


def test_unknown_tenants_and_keys_are_told(tenants: Tenants) -> None:
    with pytest.raises(TenantUnknown, match="lambent tenant add nobody"):
        tenants.create_key("nobody")
    for act in (tenants.find_key, tenants.revoke_key):
        with pytest.raises(KeyUnknown, match="key list"):
            act("nokey")


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def test_the_commands_do_it_all_and_print_the_value_alone(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_commands, "tenants_of", lambda *_: tenants)
    monkeypatch.setattr("lambent_toolkit.cli.api_key.tenants_of", lambda *_: tenants)

    assert call("tenant", "add", "acme").exit_code == 0
    made = call("key", "create", "--tenant", "acme", "--scopes", "predict", "--quota", "5/day")
    (key,) = tenants.keys_of("acme")
    assert (made.exit_code, made.stdout.strip()) == (0, tenants.value_of(key.key_id))
    assert (key.scopes, key.quota) == ({Scope.PREDICT}, Quota(5))
    assert call("key", "get", key.key_id).stdout == made.stdout
    listed = call("key", "list").stdout
    assert key.key_id in listed
    assert made.stdout.strip() not in listed
    assert "5/day" in listed
    rotated = call("key", "rotate", key.key_id, "--grace", "2h")
    assert rotated.exit_code == 0
    assert rotated.stdout != made.stdout
    assert call("key", "revoke", key.key_id).exit_code == 0
    untouched = call("tenant", "remove", "acme")
    assert "Nothing was removed" in untouched.stdout
    assert len(tenants.keys_of("acme")) == 1
    assert call("tenant", "remove", "acme", "--yes").exit_code == 0
    assert "key rotated in" in call("tenant", "history", "acme").stdout
    assert call("tenant", "add", "acme").exit_code == 141
    assert "acme" not in call("tenant", "list").stdout


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (("key", "create", "--tenant", "nobody"), 140),
        (("key", "create", "--tenant", "default", "--scopes", "fly"), 2),
        (("key", "create", "--tenant", "default", "--scopes", ","), 2),
        (("key", "create", "--tenant", "default", "--quota", "many"), 144),
        (("key", "rotate", "nokey"), 143),
        (("key", "rotate", "nokey", "--grace", "soon"), 2),
        (("key", "list", "--tenant", "nobody"), 140),
        (("tenant", "add", "Not A Name"), 20),
    ],
)
def test_mistakes_end_with_their_code(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], exit_code: int
) -> None:
    monkeypatch.setattr(tenant_commands, "tenants_of", lambda *_: tenants)
    monkeypatch.setattr("lambent_toolkit.cli.api_key.tenants_of", lambda *_: tenants)

    done = call(*words)

    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert "Traceback" not in done.stderr


def test_a_key_without_words_has_the_default_scopes(tenants: Tenants) -> None:
    assert tenants.create_key("default")[0].scopes == DEFAULT_SCOPES
