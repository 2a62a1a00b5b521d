"""AWS clients, made once a process."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from botocore.credentials import DeferredRefreshableCredentials
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

from lambent.adapters.dynamodb_table import DynamoTable
from lambent.adapters.paced_connections import pace_connections
from lambent.adapters.tenant_s3 import TenantClient, session_of
from lambent.adapters.time_budget import BRIEF_S, PATIENT_S, hold_to_budget

# Standard mode retries throttling with back-off. An invocation's budget shortens the wait for an answer; that for a
# connection, which bounds the sending of a body in the clear too, is set once.
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=BRIEF_S, read_timeout=PATIENT_S)
# Links to S3 must be signed by Signature Version 4; left to itself the SDK takes an older one for some regions.
_S3_CONFIG = _CONFIG.merge(Config(signature_version="s3v4"))
# And they must name the Region's own host: the global one, which the SDK signs for otherwise, redirects for the first
# day of a bucket, and for ever refuses buckets of the newer Regions.
_REGIONAL = Config(s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"})


class _ServiceModelLoader(JSONFileLoader):
    """Parses the SDK's descriptions of services, 4 MB for S3 and DynamoDB, in a third of the SDK's own time."""

    def load_file(self, file_path: str) -> Any:
        """Return the file's content, None if there is none; ``file_path`` lacks .json or .json.gz."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            return orjson.loads(plain.read_bytes())
        return orjson.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


@cache
def _session() -> Session:
    session = Session()
    session.register_component("data_loader", Loader(file_loader=_ServiceModelLoader()))
    return session


@cache
def client(service: str) -> Any:
    """Return the process's client of an AWS service; endpoint and region come from the SDK's own variables."""
    made = _session().create_client(service, config=_s3_config() if service == "s3" else _CONFIG)
    return pace_connections(hold_to_budget(made))


@cache
def tenant_s3(role_arn: str) -> TenantClient:
    """Return the process's client of S3 that reaches one tenant's objects at a time, by sessions of a role."""
    return TenantClient(client("s3"), lambda tenant: _client_of_tenant(role_arn, tenant))


def _client_of_tenant(role_arn: str, tenant: str) -> Any:
    """Return a client whose credentials are asked for when first needed, and anew before they end."""
    credentials = DeferredRefreshableCredentials(
        refresh_using=lambda: session_of(client("sts"), role_arn, tenant), method="assume-role"
    )
    session = Session()
    # Shared, so that the SDK's descriptions of S3 are read once.
    session.register_component("data_loader", _session().get_component("data_loader"))
    session.register_component("credential_provider", _Given(credentials))
    return pace_connections(hold_to_budget(session.create_client("s3", config=_s3_config())))


class _Given:
    """Stands where a session looks for credentials."""

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> DeferredRefreshableCredentials:
        """Return them."""
        return self._credentials


def _s3_config() -> Config:
    """Return the configuration of AWS's own hosts, or of an endpoint of somebody else, who need not know of them."""
    session = _session()
    configured = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "s3").provide()
    return _S3_CONFIG if configured else _S3_CONFIG.merge(_REGIONAL)


@cache
def table(name: str) -> DynamoTable:
    """Return the process's handle of a DynamoDB table."""
    return DynamoTable(client("dynamodb"), name)
