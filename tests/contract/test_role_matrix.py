"""Role by row kind by action, and role by prefix by action: what each needs, by who owns what; all else is refused.

The tables say what must be; the answers come from the template's policies, judged by the engine that judges the local
stack. A role, a kind of row or a prefix that the tables do not know is a failure: say what it needs.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from role_rights import (
    DATA,
    MODELS,
    acting_for,
    actions_of,
    may_list,
    may_touch_object,
    may_touch_row,
    principal_of,
    roles_of,
    statements_of,
)
from template_expanded import ROOT, WITH_GPU, expand, read_source
from template_references import as_list, target

READ, ALL = ("GetItem", "Query"), ("GetItem", "Query", "PutItem", "UpdateItem")
PUT, UPDATE, ADD = ("PutItem",), ("UpdateItem",), ("GetItem", "PutItem")
TOGETHER = ("GetItem", "Query", "PutItem", "UpdateItem", "ConditionCheckItem")
KEPT = (*TOGETHER, "DeleteItem")

# Every kind of row by its partition, with one that is there.
ROWS = {
    "MODELS": "MODELS",
    "MODEL": "MODEL#digits",
    "SERVING": "SERVING",
    "THROUGHPUT": "THROUGHPUT#digits",
    "LANE": "LANE#gpu",
    "TENANTS": "TENANTS",
    "TENANT": "TENANT#acme",
    "APIKEY": "APIKEY#k1",
    "AUDIT": "AUDIT#acme",
    "TRAIL": "TRAIL",
    "CLAIM": "CLAIM#acme#name",
    "JOB": "JOB#acme#job-1",
    "DEAD": "DEAD#infer_dead_letter",
    "UPLOAD": "UPLOAD#acme#1",
    "WEBHOOK": "WEBHOOK#acme",
}
REGISTRY_READ = {"MODELS": READ, "MODEL": READ}
SERVED_READ = {**REGISTRY_READ, "SERVING": READ}
FIGURES = {"THROUGHPUT": (*READ, *UPDATE)}
ROWS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "PredictRole": {
        **REGISTRY_READ, "SERVING": (*READ, *PUT), "APIKEY": READ, "JOB": (*READ, *PUT), "UPLOAD": PUT, "TRAIL": ADD,
    },
    "JobsRole": {
        **SERVED_READ, "THROUGHPUT": READ, "LANE": READ, "APIKEY": READ, "JOB": ALL, "CLAIM": (*READ, *UPDATE),
        "UPLOAD": (*READ, *PUT), "WEBHOOK": (*READ, *PUT), "TRAIL": ADD,
    },
    "SortRole": {},
    "PreprocessRole": {**SERVED_READ, "UPLOAD": READ, "JOB": (*READ, *PUT)},
    "InferRole": {**SERVED_READ, **FIGURES, "JOB": (*READ, *UPDATE)},
    "DispatchRole": {**SERVED_READ, **FIGURES, "JOB": ALL},
    "BatchJobRole": {"MODEL": READ, "JOB": (*READ, *UPDATE)},
    # In MODEL stand the figures that earlier releases wrote.
    "JobEventsRole": {"MODEL": READ, **FIGURES, "LANE": UPDATE, "JOB": (*READ, *UPDATE)},
    # It records dead letters, also those of batch requests that nobody has a job of.
    "SweepRole": {"MODEL": READ, **FIGURES, "JOB": ALL, "DEAD": ("Query", "PutItem")},
    "NotifyRole": {"JOB": (*READ, *UPDATE), "WEBHOOK": (*READ, *PUT)},
    "PreprocessDataRole": {},
    "InferDataRole": {},
    "BatchJobDataRole": {},
    "TrainingJobRole": {},
    "TrainingDataRole": {},
    "BatchInstanceRole": {},
    "ReaderPolicy": {**REGISTRY_READ, "TRAIL": READ},
    "PublisherPolicy": {"MODELS": TOGETHER, "MODEL": TOGETHER, "JOB": ("Query",), "TRAIL": ADD},
    "TrainerPolicy": REGISTRY_READ,
    "OperatorPolicy": {
        "TENANTS": KEPT, "TENANT": KEPT, "APIKEY": KEPT, "AUDIT": (*READ, *PUT), "TRAIL": (*READ, *PUT),
        "DEAD": ("Query",),
    },
}  # fmt: skip
# DeleteItem and what names no row (a Scan) or no row's key (PartiQL) included.
ROW_ACTIONS = (
    "GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem", "Scan", "BatchGetItem",
    "BatchWriteItem", "PartiQLSelect", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete", "DeleteTable", "ExportTable",
)  # fmt: skip

# Every prefix of the data bucket, with an object of it; and the models bucket.
OBJECTS = {
    "inbox": (DATA, "inbox/acme/digits/a.png"),
    "inputs": (DATA, "inputs/acme/a.png"),
    "results": (DATA, "results/acme/digits/a.png.json"),
    "errors": (DATA, "results/acme/digits/a.png.error.json"),
    "work": (DATA, "work/acme/1.npz"),
    "jobs": (DATA, "jobs/acme/job-1/part-00000.jsonl"),
    "checkpoints": (DATA, "jobs/acme/job-1/checkpoints/00000/1"),
    "answers": (DATA, "answers/acme/1"),
    "training": (DATA, "training/acme/run-1/bundle.zip"),
    "training state": (DATA, "training/acme/run-1/state/1"),
    "training result": (DATA, "training/acme/run-1/result/model.keras"),
    "training outcome": (DATA, "training/acme/run-1/outcome.json"),
    "elsewhere": (DATA, "other/acme/1"),
    "model": (MODELS, "digits/1/model.tflite"),
    "card": (MODELS, "digits/1/card.md"),
    "manifest": (MODELS, "digits/1/manifest.json"),
    "contract": (MODELS, "digits/1/contract.json"),
    "throughput": (MODELS, "digits/1/throughput.json"),
}
GET, WRITE, DELETE = "GetObject", "PutObject", "DeleteObject"
# A PutObject on the condition that there is none, which whoever may write may too.
ADD_OBJECT = "AddObject"
MODEL_FILES = dict.fromkeys(("model", "card", "manifest", "contract", "throughput"), (GET,))
MODEL_TEXTS = dict.fromkeys(("card", "manifest", "contract", "throughput"), (GET,))
JOB_FILES = ("jobs", "checkpoints")
RUN_FILES = ("training", "training state", "training result", "training outcome")
WORKED = {"jobs": (GET, WRITE), "checkpoints": (GET, WRITE, DELETE)}
OBJECTS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "PredictRole": {**MODEL_FILES, **dict.fromkeys(JOB_FILES, (WRITE,)), "answers": (GET, WRITE), "inbox": (WRITE,)},
    "JobsRole": {
        **MODEL_TEXTS, **dict.fromkeys((*JOB_FILES, "results", "errors"), (GET,)),
        **dict.fromkeys(("inputs", "inbox"), (GET, WRITE)),
    },
    "SortRole": {},
    # Of keys that are no tenant's; of those of tenants, see its DataRole.
    "PreprocessRole": {**MODEL_FILES, "errors": (ADD_OBJECT,)},
    "PreprocessDataRole": {
        "inbox": (GET,), "work": (WRITE,), **dict.fromkeys(("results", "errors"), (GET, WRITE, DELETE)),
    },
    "InferRole": MODEL_FILES,
    "InferDataRole": {
        **WORKED, "inbox": (GET,), "inputs": (GET,), "work": (GET,),
        **dict.fromkeys(("results", "errors"), (GET, WRITE, DELETE)),
    },
    "DispatchRole": {**MODEL_FILES, **dict.fromkeys(JOB_FILES, (GET, WRITE)), "inbox": (GET,), "inputs": (GET,)},
    "BatchJobRole": MODEL_FILES,
    "BatchJobDataRole": {**WORKED, "inbox": (GET,), "inputs": (GET,)},
    "JobEventsRole": dict.fromkeys(JOB_FILES, (GET, WRITE)),
    "SweepRole": {
        **dict.fromkeys(JOB_FILES, (GET, WRITE)), "inbox": (GET,),
        **dict.fromkeys(("results", "errors"), (GET, WRITE, DELETE)),
    },
    "NotifyRole": {},
    "TrainingJobRole": {},
    "TrainingDataRole": {
        "inputs": (GET,), "training": (GET,), "training state": (GET, WRITE, DELETE),
        "training result": (GET, WRITE), "training outcome": (GET, WRITE),
    },
    "BatchInstanceRole": {},
    "ReaderPolicy": MODEL_TEXTS,
    "PublisherPolicy": dict.fromkeys(MODEL_FILES, (GET, WRITE, DELETE)),
    "TrainerPolicy": {**MODEL_FILES, **dict.fromkeys((*RUN_FILES, "inputs"), (GET, WRITE))},
    "OperatorPolicy": {},
}  # fmt: skip
OBJECT_ACTIONS = (
    "GetObject", "PutObject", "DeleteObject", "GetObjectVersion", "DeleteObjectVersion", "PutObjectAcl",
    "PutObjectTagging", "PutObjectRetention", "RestoreObject", "AbortMultipartUpload", ADD_OBJECT,
)  # fmt: skip

Roles = dict[str, dict[str, Any]]
TENANT = "acme"
# Roles of sessions for one tenant each: who runs models, decodes what callers sent, or writes what comes of it.
ONE_TENANT = ("PreprocessDataRole", "InferDataRole", "BatchJobDataRole", "TrainingDataRole")


@cache
def roles() -> Roles:
    return roles_of(expand(read_source(), WITH_GPU))


def row_findings(found: Roles) -> Iterator[str]:
    """Yield where the rights on rows are not those of the table, one line for each."""
    for name, role in found.items():
        principal = principal_of(name, role)
        for kind, partition in ROWS.items():
            for action in ROW_ACTIONS:
                wanted = action in ROWS_OF[name].get(kind, ())
                if may_touch_row(principal, action, partition) != wanted:
                    yield f"{name} {'may not' if wanted else 'may'} {action} rows of {kind}"


def object_findings(found: Roles) -> Iterator[str]:
    """Yield where the rights on objects are not those of the table."""
    for name, role in found.items():
        principal = acting_for(principal_of(name, role), TENANT)
        for kind, (bucket, key) in OBJECTS.items():
            for action in OBJECT_ACTIONS:
                allowed = OBJECTS_OF[name].get(kind, ())
                wanted = action in allowed or (action == ADD_OBJECT and WRITE in allowed)
                if may_touch_object(principal, action, bucket, key) != wanted:
                    yield f"{name} {'may not' if wanted else 'may'} {action} {kind}"


def test_each_role_reads_and_writes_the_rows_that_it_owns_and_no_others() -> None:
    assert list(row_findings(roles())) == []


def test_each_role_reads_and_writes_the_objects_that_it_owns_and_no_others() -> None:
    assert list(object_findings(roles())) == []


def tenant_findings(found: Roles) -> Iterator[str]:
    """Yield what a session for one tenant, or for none, may do to objects of another."""
    for name, role in found.items():
        if name not in ONE_TENANT:
            continue
        untagged = principal_of(name, role)
        sessions = {"nobody": untagged} | {each: acting_for(untagged, each) for each in ("other", "acm", "acme2", "a*")}
        for tenant, session in sessions.items():
            for kind, (bucket, key) in OBJECTS.items():
                for action in OBJECT_ACTIONS:
                    if may_touch_object(session, action, bucket, key):
                        yield f"{name} for {tenant} may {action} {kind} of {TENANT}"


def test_a_session_for_one_tenant_reaches_no_object_of_another() -> None:
    assert list(tenant_findings(roles())) == []


def test_who_runs_models_or_reads_uploads_reaches_objects_of_tenants_by_such_sessions_only() -> None:
    own = {name: OBJECTS_OF[name] for name in ("InferRole", "BatchJobRole", "TrainingJobRole")}

    assert all(OBJECTS[kind][0] == MODELS for allowed in own.values() for kind in allowed)
    assert not any(GET in actions for kind, actions in OBJECTS_OF["PreprocessRole"].items() if OBJECTS[kind][0] == DATA)


def test_only_the_role_of_its_function_takes_the_role_of_a_tenants_session_and_names_one_tenant() -> None:
    for name in ONE_TENANT:
        (statement,) = expand(read_source(), WITH_GPU).of_type("IAM::Role")[name]["AssumeRolePolicyDocument"][
            "Statement"
        ]

        assert target(statement["Principal"]["AWS"]) == {"TrainingDataRole": "TrainingJobRole"}.get(
            name, name.replace("DataRole", "Role")
        )
        assert statement["Condition"] == {
            "StringLike": {"aws:RequestTag/tenant": "?*"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]},
        }


def test_the_tables_know_every_role_of_the_template() -> None:
    assert set(ROWS_OF) == set(OBJECTS_OF) == set(roles())


def test_the_tables_know_every_action_that_a_role_has_on_rows_and_objects() -> None:
    rows = set().union(*(actions_of(role, "dynamodb") for role in roles().values()))
    objects = set().union(*(actions_of(role, "s3") for role in roles().values()))

    assert rows <= set(ROW_ACTIONS)
    assert objects - {"ListBucket"} <= set(OBJECT_ACTIONS)


def test_a_session_for_one_tenant_lists_no_object_of_another_and_learns_what_of_its_own_is_missing() -> None:
    for name in ONE_TENANT:
        for tenant in (TENANT, "other", "acm", "a*", None):
            untagged = principal_of(name, roles()[name])
            session = untagged if tenant is None else acting_for(untagged, tenant)
            listed = {
                kind for kind, (bucket, key) in OBJECTS.items() if bucket == DATA and may_list(session, DATA, key)
            }
            read = {kind for kind, allowed in OBJECTS_OF[name].items() if GET in allowed}

            assert read <= listed if tenant == TENANT else not listed, (name, tenant)
            assert not any(
                may_list(session, DATA, prefix) for prefix in (None, "", "inputs/", "inputs/a", "inputs/acme")
            )


def test_the_tables_know_every_kind_of_row_and_every_prefix_that_code_writes() -> None:
    sources = [*(ROOT / "layers").rglob("dynamodb_*.py"), *(ROOT / "layers").rglob("registry_rows.py")]
    sources += (ROOT / "layers/toolkit/lambent_toolkit/tenants").rglob("*.py")
    kinds = set().union(*(_partitions(source) for source in sources))
    prefixes = {str(rule["Prefix"]).rstrip("/") for rule in _lifecycle_rules() if "Prefix" in rule}

    assert kinds == set(ROWS)
    assert prefixes <= set(OBJECTS)


def _partitions(source: Path) -> set[str]:
    """Return the kinds of rows that a module names: `MODEL#{name}` and the like, and whole words beside a key."""
    text = source.read_text()
    return {*re.findall(r"""["`]([A-Z]+)#""", text), *re.findall(r"``([A-Z]+) /", text)} - _SORT_KEYS


# What stands before `#` in sort keys and in the index's partition.
_SORT_KEYS = {"VERSION", "LABEL", "SHARD", "KEY", "JOBS"}


def _lifecycle_rules() -> list[dict[str, Any]]:
    bucket = read_source()["Resources"]["DataBucket"]["Properties"]
    return list(bucket["LifecycleConfiguration"]["Rules"])


def _mutants() -> Iterator[tuple[str, Roles]]:
    """Yield the roles with one statement made wider: without its condition, for one more kind, for a whole bucket."""
    for name, role in roles().items():
        for number, statement in enumerate(statements_of(role)):
            for told, change in _wider(name, statement):
                changed = copy.deepcopy({name: role})
                kept = statements_of(changed[name])[number]
                kept.clear()
                kept.update(change)
                yield f"{name}-{statement['Sid']}-{told}", changed


def _wider(name: str, statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    actions = [each.partition(":")[2] for each in as_list(statement["Action"])]
    if "dynamodb:" in str(statement["Action"]) and "/index/" not in str(statement["Resource"]):
        yield "any row", {key: each for key, each in statement.items() if key != "Condition"}
        for kind in ROWS:
            if not set(actions) <= set(ROWS_OF[name].get(kind, ())):
                keys = [*_keys(statement), f"{kind}*"]
                yield kind, {**statement, "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}}
    if any("Object" in each for each in actions):
        yield from _wider_objects(name, statement, actions)


def _wider_objects(name: str, statement: dict[str, Any], actions: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for bucket in ("DataBucket", "ModelsBucket"):
        of_bucket = [kind for kind, (owner, _key) in OBJECTS.items() if owner == f"arn:{bucket}"]
        if any(not set(actions) <= set(OBJECTS_OF[name].get(kind, ())) for kind in of_bucket):
            whole = {"Fn::Sub": f"${{{bucket}.Arn}}/*"}
            yield bucket, {**statement, "Resource": [*as_list(statement["Resource"]), whole]}
    if "Condition" in statement:
        yield "on no condition", {key: each for key, each in statement.items() if key != "Condition"}
    tagged = [each["Fn::Sub"] for each in as_list(statement["Resource"]) if "PrincipalTag" in str(each)]
    for text in tagged:
        yield "any tenant", {**statement, "Resource": {"Fn::Sub": text.replace("${!aws:PrincipalTag/tenant}", "*")}}


def _keys(statement: dict[str, Any]) -> list[str]:
    ((_operator, asked),) = statement["Condition"].items()
    return list(asked["dynamodb:LeadingKeys"])


MUTANTS = list(_mutants())


def test_there_are_mutants_of_every_role_that_touches_rows_or_objects() -> None:
    touching = {name for name in roles() if ROWS_OF[name] or OBJECTS_OF[name]}

    assert {name.partition("-")[0] for name, _changed in MUTANTS} == touching
    assert len(MUTANTS) > 300


@pytest.mark.parametrize("place", range(0, len(MUTANTS), 50))
def test_every_widened_statement_is_noticed(place: int) -> None:
    missed = [
        name
        for name, changed in MUTANTS[place : place + 50]
        if not any(row_findings(changed)) and not any(object_findings(changed)) and not any(tenant_findings(changed))
    ]

    assert missed == []
