"""Template properties turned into what the AWS API takes."""

from lambent_toolkit.sandbox.restore import cors_rule, lifecycle_rule, notification_configuration


def test_notification_keeps_target_event_and_prefix() -> None:
    rules = [{"Name": "prefix", "Value": "inbox/"}]
    properties = {
        "QueueConfigurations": [
            {"Event": "s3:ObjectCreated:*", "Queue": "arn:q", "Filter": {"S3Key": {"Rules": rules}}}
        ],
        "LambdaConfigurations": [{"Event": "s3:ObjectRemoved:*", "Function": "arn:f"}],
    }

    assert notification_configuration(properties) == {
        "QueueConfigurations": [
            {"QueueArn": "arn:q", "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
        ],
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": "arn:f", "Events": ["s3:ObjectRemoved:*"]}],
    }


def test_lifecycle_rule_keeps_days_and_markers() -> None:
    properties = {
        "Id": "old",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": "1"},
        "ExpiredObjectDeleteMarker": "true",
    }

    assert lifecycle_rule(properties) == {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    assert lifecycle_rule({"Status": "Enabled", "Prefix": "in/", "ExpirationInDays": "7"})["Expiration"] == {"Days": 7}


def test_rule_for_pages_keeps_who_may_what_and_how_long() -> None:
    properties = {
        "Id": "pages",
        "AllowedOrigins": ["https://own.example"],
        "AllowedMethods": ["POST", "GET"],
        "AllowedHeaders": ["*"],
        "ExposedHeaders": ["ETag"],
        "MaxAge": "3600",
    }

    assert cors_rule(properties) == {
        "ID": "pages",
        "AllowedOrigins": ["https://own.example"],
        "AllowedMethods": ["POST", "GET"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }
