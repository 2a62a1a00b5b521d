"""Which rights of the template no test has used: read from the records of all stacks of a run.

By itself: ``python tests/rights.py FOLDER``; FOLDER is pytest's ``--basetemp``, or a state folder of ``lambent up``.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from lambent_toolkit.sandbox.iam.judge import Right
from lambent_toolkit.sandbox.iam.patterns import matches_action
from lambent_toolkit.sandbox.iam.rights import read_rights

# CloudFormation ends the names that it makes with letters and digits by chance, which differ from stack to stack.
MADE_BUCKET = re.compile(r"(lambent-data)-[0-9a-f-]{36}")
MADE_NAME = re.compile(r"(lambent-local-[A-Za-z]+)-[A-Za-z0-9]{12,13}")


def unused_rights(folder: Path, roles: Iterable[str]) -> Iterator[str]:
    """Iterate over what no stack has used: whole statements, or actions and resources of them.

    Parameters
    ----------
    folder : Path    below which the stacks' logs lie
    roles            logical ids of the roles that count
    """
    found = {kind: {_named(right) for right in rights} for kind, rights in read_rights(folder).items()}
    statements: dict[tuple[str, str], list[Right]] = defaultdict(list)
    for right in sorted(found["granted"], key=repr):
        if right.principal in roles:
            statements[right.principal, right.statement].append(right)
    for (role, name), granted in sorted(statements.items()):
        used = [each for each in found["used"] if (each.principal, each.statement) == (role, name)]
        actions = sorted(
            {each.action for each in granted if not any(matches_action(each.action, one.action) for one in used)}
        )
        resources = sorted({each.resource for each in granted} - {each.resource for each in used})
        if not used:
            yield f"{role} {name}: {', '.join(sorted({each.action for each in granted}))}"
        elif actions or resources:
            yield f"{role} {name}: {', '.join([*actions, *resources])} (the rest of it is used)"


def _named(right: Right) -> Right:
    principal = MADE_NAME.sub(r"\1", right.principal).removeprefix("lambent-local-")
    resource = MADE_BUCKET.sub(r"\1", MADE_NAME.sub(r"\1", right.resource))
    return replace(right, principal=principal, resource=resource)


def roles_of(template: Path) -> set[str]:
    """Return the logical ids of a template's roles."""
    return set(re.findall(r"^  (\w+):\s*(?:#.*)?\n    Type: AWS::IAM::Role$", template.read_text(), re.MULTILINE))


if __name__ == "__main__":
    for line in unused_rights(Path(sys.argv[1]), roles_of(Path(__file__).parents[1] / "template.yaml")):
        print(line)
