"""Hands out credentials of roles: to functions as Lambda does, to jobs as ECS does for AWS Batch."""

from __future__ import annotations

from lambent_toolkit.sandbox.aws_calls import AwsCallFailed, AwsCalls
from lambent_toolkit.sandbox.batch_job import Job
from lambent_toolkit.sandbox.errors import BrokenTemplate
from lambent_toolkit.sandbox.function_spec import FunctionSpec
from lambent_toolkit.sandbox.iam.credentials import ADMINISTRATOR, Credentials


class Roles:
    """Asks the storage process, which judges whether a role trusts the service that hands it on.

    Parameters
    ----------
    aws : AwsCalls       of the account's owner
    is_enforced : bool   otherwise everyone is the account's owner
    """

    def __init__(self, aws: AwsCalls, *, is_enforced: bool) -> None:
        self._aws, self._is_enforced = aws, is_enforced

    async def of_function(self, spec: FunctionSpec) -> Credentials:
        """Return credentials of a function's role.

        Raises
        ------
        BrokenTemplate   it has none, or the role does not trust Lambda
        """
        if not self._is_enforced:
            return ADMINISTRATOR
        try:
            return await self._aws.session(
                spec.role_arn, service="lambda.amazonaws.com", session=spec.name, source_arn=spec.arn
            )
        except AwsCallFailed as exc:
            raise BrokenTemplate(f"{spec.logical_id} gets no credentials of its role: {exc}") from exc

    async def of_job(self, job: Job) -> Credentials:
        """Return credentials of a job's role.

        Raises
        ------
        AwsCallFailed   it has none, or the role does not trust ECS
        """
        if not self._is_enforced:
            return ADMINISTRATOR
        role = str(job.container.get("jobRoleArn", ""))
        session = job.job_id.replace(":", "-")
        return await self._aws.session(role, service="ecs-tasks.amazonaws.com", session=session, source_arn=job.arn)
