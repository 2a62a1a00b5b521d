"""The only places that know boto3 and model interpreters."""
