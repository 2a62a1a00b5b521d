"""People who use a running stack by its name, as on AWS: users with the template's policies, and what they type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import Result
from made_policies import Caller, make_caller
from typer.testing import CliRunner

from lambent_toolkit.cli.main import app
from lambent_toolkit.sandbox import StackInfo
from lambent_toolkit.sandbox.iam.rights import read_rights

CLI_README = Path(__file__).parents[2] / "layers/toolkit/lambent_toolkit/cli/README.md"
POLICIES = ("ReaderPolicy", "PublisherPolicy", "TrainerPolicy", "OperatorPolicy")
# What this machine's own settings would say otherwise.
UNSAID = dict.fromkeys(("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "LAMBENT_API_KEY", "LAMBENT_STACK"))
NOWHERE = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


@dataclass(frozen=True)
class Person:
    """A user with some of the template's policies.

    Parameters
    ----------
    caller : Caller
    policy : str         what the person is there to try
    verbs : list[str]    that were typed and went well
    """

    caller: Caller
    policy: str
    verbs: list[str] = field(default_factory=list)

    def types(self, *words: str) -> Result:
        """Run `lambent`, which finds the stack in CloudFormation and its door by LAMBENT_URL."""
        info, credentials = self.caller.info, self.caller.credentials
        environment = {
            **UNSAID,
            **NOWHERE,
            "AWS_ENDPOINT_URL": info.endpoint,
            "AWS_REGION": info.region,
            "AWS_ACCESS_KEY_ID": credentials["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": credentials["aws_secret_access_key"],
            "LAMBENT_URL": info.url,
        }
        return CliRunner().invoke(app, [*words, "--stack", info.name], env=environment)

    def does(self, verb: str, *words: str, status: int = 0) -> str:
        """Run a verb that ends as it should, and return its stdout."""
        result = self.types(*verb.split(), *words)
        assert result.exit_code == status, f"{verb} ended with {result.exit_code}: {result.output}{result.exception!r}"
        self.verbs.append(verb)
        return result.stdout

    def unused_rights(self) -> set[tuple[str, str]]:
        """Return the statements and actions of the person's policy that nothing has used."""
        info, iam = self.caller.info, self.caller.info.client("iam")
        arn = info.resources[self.policy]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        iam.close()
        granted = {
            (statement["Sid"], action)
            for statement in document["Statement"]
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        }
        used = read_rights(Path(info.logs))["used"]
        return granted - {(each.statement, each.action) for each in used if each.principal == self.caller.name}


@contextmanager
def person(info: StackInfo, policy: str) -> Iterator[Person]:
    """Make a person with a policy, to which the operator's takes the reader's."""
    names = ("ReaderPolicy", policy) if policy == "OperatorPolicy" else (policy,)
    with make_caller(info, f"with-{policy}", attached=[info.resources[name] for name in names]) as caller:
        yield Person(caller, policy)


def verbs_of(policy: str) -> set[str]:
    """Return the verbs that the table of the toolkit's README gives to a policy."""
    row = next(line for line in CLI_README.read_text().splitlines() if line.startswith(f"| {policy}"))
    return set(re.findall(r"`([^`]+)`", row.split("|")[3]))


def said_by_aws(result: Result) -> str:
    """Return what a refused person reads, which is one line on stderr and no traceback."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    (line,) = result.stderr.splitlines()
    return line
