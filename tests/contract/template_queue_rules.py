"""Rules of queues: retries, dead letters and who watches them."""

from __future__ import annotations

from template_expanded import ExpandedTemplate
from template_references import Findings, as_list, target

DAY_S = 86_400
# What a function needs to read messages and to send them: no object, no row, no model, no session that has more.
PASSING_ON = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:SendMessage",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}


def _sources(template: ExpandedTemplate) -> list[str]:
    return [name for name, queue in template.of_type("SQS::Queue").items() if "RedrivePolicy" in queue]


def _dead_letters(template: ExpandedTemplate) -> list[str]:
    return [name for name in template.of_type("SQS::Queue") if name.endswith("DeadLetterQueue")]


def visibility_covers_six_timeouts_and_the_window(template: ExpandedTemplate) -> Findings:
    queues, functions = template.of_type("SQS::Queue"), template.of_type("Lambda::Function")
    for name, mapping in template.of_type("Lambda::EventSourceMapping").items():
        timeout_s = functions[target(mapping["FunctionName"])]["Timeout"]
        needed_s = 6 * timeout_s + mapping.get("MaximumBatchingWindowInSeconds", 0)
        if queues[target(mapping["EventSourceArn"])].get("VisibilityTimeout", 30) < needed_s:
            yield f"{name}: the queue hides a message for less than {needed_s} s"


def mappings_report_single_failures(template: ExpandedTemplate) -> Findings:
    for name, mapping in template.of_type("Lambda::EventSourceMapping").items():
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: one bad record repeats its neighbours"


def mappings_limit_concurrency(template: ExpandedTemplate) -> Findings:
    for name, mapping in template.of_type("Lambda::EventSourceMapping").items():
        if int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 0)) < 2:
            yield f"{name}: no MaximumConcurrency, so throttled messages reach the dead-letter queue unseen"


def queues_have_a_dead_letter_queue(template: ExpandedTemplate) -> Findings:
    queues = template.of_type("SQS::Queue")
    for name in queues.keys() - set(_dead_letters(template)):
        if target(queues[name].get("RedrivePolicy", {}).get("deadLetterTargetArn")) not in queues:
            yield f"{name}: poison circles until it expires"


def messages_are_tried_five_times(template: ExpandedTemplate) -> Findings:
    queues = template.of_type("SQS::Queue")
    for name in _sources(template):
        if queues[name]["RedrivePolicy"].get("maxReceiveCount", 0) < 5:
            yield f"{name}: maxReceiveCount under 5 sends healthy messages to the dead-letter queue"


def consumers_know_their_last_receive(template: ExpandedTemplate) -> Findings:
    queues, functions = template.of_type("SQS::Queue"), template.of_type("Lambda::Function")
    for name, mapping in template.of_type("Lambda::EventSourceMapping").items():
        variables = functions[target(mapping["FunctionName"])]["Environment"]["Variables"]
        policy = queues[target(mapping["EventSourceArn"])].get("RedrivePolicy", {})
        if str(policy.get("maxReceiveCount")) != variables.get("MAX_RECEIVE_COUNT"):
            yield f"{name}: what fails at the last receive is told to nobody, or a receive too early"


def records_come_alone(template: ExpandedTemplate) -> Findings:
    """Look at each but those of a function that can reach nothing of what a message is about: it passes messages on."""
    for name, mapping in template.of_type("Lambda::EventSourceMapping").items():
        if mapping.get("BatchSize") != 1 and not _passes_on(target(mapping["FunctionName"]), template):
            yield f"{name}: a record that ends the process keeps its neighbours waiting for the visibility timeout"


def _passes_on(function: str, template: ExpandedTemplate) -> bool:
    role = template.of_type("IAM::Role")[target(template.of_type("Lambda::Function")[function]["Role"])]
    statements = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    actions = {action for each in statements for action in as_list(each["Action"])}
    return actions <= PASSING_ON


def dead_letters_outlive_messages(template: ExpandedTemplate) -> Findings:
    queues = template.of_type("SQS::Queue")
    for name in _dead_letters(template):
        if queues[name].get("MessageRetentionPeriod", 4 * DAY_S) < 14 * DAY_S:
            yield f"{name}: keeps messages for less than 14 days"
    for name in _sources(template):
        if queues[name].get("MessageRetentionPeriod", 4 * DAY_S) >= 14 * DAY_S:
            yield f"{name}: the age of a message goes on counting in the dead-letter queue"


def dead_letters_raise_an_alarm(template: ExpandedTemplate) -> Findings:
    watched = _watched(template, "ApproximateNumberOfMessagesVisible", at_most=0)
    yield from (f"{name}: fills unseen" for name in _dead_letters(template) if name not in watched)


def waiting_queues_raise_an_alarm(template: ExpandedTemplate) -> Findings:
    watched = _watched(template, "ApproximateAgeOfOldestMessage", at_most=DAY_S)
    yield from (f"{name}: grows old unseen" for name in _sources(template) if name not in watched)


def _watched(template: ExpandedTemplate, metric: str, *, at_most: int) -> set[str]:
    return {
        target(alarm["Dimensions"][0]["Value"])
        for alarm in template.of_type("CloudWatch::Alarm").values()
        if alarm["MetricName"] == metric
        and alarm["ComparisonOperator"] == "GreaterThanThreshold"
        and int(alarm["Threshold"]) <= at_most
    }


RULES = [
    visibility_covers_six_timeouts_and_the_window,
    mappings_report_single_failures,
    mappings_limit_concurrency,
    queues_have_a_dead_letter_queue,
    messages_are_tried_five_times,
    consumers_know_their_last_receive,
    records_come_alone,
    dead_letters_outlive_messages,
    dead_letters_raise_an_alarm,
    waiting_queues_raise_an_alarm,
]
