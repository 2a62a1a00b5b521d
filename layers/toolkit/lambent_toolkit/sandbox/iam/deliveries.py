"""Services that act by themselves: S3, SNS and EventBridge put messages into queues if their policies let them.

Runs in the storage process only: it wraps moto's deliveries.
"""

from __future__ import annotations

import logging
from typing import Any

from moto.events import models as events
from moto.s3 import notifications
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket
from moto.sns import models as sns

from lambent_toolkit.sandbox.iam import principals
from lambent_toolkit.sandbox.iam.judge import decide
from lambent_toolkit.sandbox.iam.question import Question, arn
from lambent_toolkit.sandbox.iam.questions_s3 import bucket_arn
from lambent_toolkit.sandbox.iam.resource_policies import resource_policies
from lambent_toolkit.sandbox.iam.rights import Denial, RightsLog

log = logging.getLogger(__name__)


class Deliveries:
    """Judges what services deliver.

    Parameters
    ----------
    rights : RightsLog
    """

    def __init__(self, rights: RightsLog) -> None:
        self._rights = rights

    def may_send(self, service: str, queue_name: str, source_arn: str) -> bool:
        """Tell whether a service may put a message into a queue for something of this account."""
        principal = principals.service(service, source_arn=source_arn)
        question = Question("sqs:SendMessage", arn("sqs", queue_name))
        decision = decide(principal, question, resource_policies(question.resource), self._rights.use)
        if not decision.is_allowed:
            self._rights.refuse(Denial(service, question.action, question.resource, decision.reason))
            log.error("%s for %s may not send to %s, %s", service, source_arn, queue_name, decision.reason)
        return decision.is_allowed

    def judge(self) -> None:
        """Wrap moto's deliveries, and leave bucket policies to the gate."""
        self._judge_s3()
        self._judge_sns()
        self._judge_events()
        ignore_bucket_policies()

    def _judge_s3(self) -> None:
        send = notifications._send_sqs_message  # noqa: SLF001 - moto has no other place

        def send_if_allowed(account_id: str, event: Any, queue_name: str, region: str) -> None:
            if self.may_send("s3.amazonaws.com", queue_name, _bucket_of(event)):
                send(account_id, event, queue_name, region)
            elif "Records" not in event:  # the event that S3 sends to see whether it may
                raise S3ClientError("InvalidArgument", "Unable to validate the following destination configurations")

        notifications._send_sqs_message = send_if_allowed  # noqa: SLF001

    def _judge_sns(self) -> None:
        publish = sns.Subscription.publish

        def publish_if_allowed(subscription: sns.Subscription, *args: Any, **kwargs: Any) -> None:
            queue_name = str(subscription.endpoint).rpartition(":")[2]
            if subscription.protocol != "sqs" or self.may_send("sns.amazonaws.com", queue_name, subscription.topic.arn):
                publish(subscription, *args, **kwargs)

        sns.Subscription.publish = publish_if_allowed  # type: ignore[method-assign]

    def _judge_events(self) -> None:
        send = events.Rule._send_to_sqs_queue  # noqa: SLF001

        def send_if_allowed(rule: events.Rule, queue_name: str, *args: Any, **kwargs: Any) -> None:
            if self.may_send("events.amazonaws.com", queue_name, rule.arn):
                send(rule, queue_name, *args, **kwargs)

        events.Rule._send_to_sqs_queue = send_if_allowed  # type: ignore[method-assign]  # noqa: SLF001


def _bucket_of(event: dict[str, Any]) -> str:
    """Return the ARN of the bucket that an event tells of; that of the test event names it only."""
    if "Records" in event:
        return str(event["Records"][0]["s3"]["bucket"]["arn"])
    return bucket_arn(event["Bucket"])


def ignore_bucket_policies() -> None:
    """Keep moto from judging bucket policies, of which it knows a part only: no conditions, no principals."""
    from moto.iam.access_control import PermissionResult

    FakeBucket.get_permission = lambda *_arguments: PermissionResult.NEUTRAL  # type: ignore[method-assign]
