"""Who may call a stack: tenants, their API keys and what each key may do. An operator's work, done from outside."""

from lambent_toolkit.tenants.directory import Tenants
from lambent_toolkit.tenants.quota import Quota
from lambent_toolkit.tenants.records import KeyRecord, TenantRecord

__all__ = ["KeyRecord", "Quota", "TenantRecord", "Tenants"]
