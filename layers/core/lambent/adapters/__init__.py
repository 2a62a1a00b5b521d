"""The only places that know the AWS SDK and model interpreters."""
