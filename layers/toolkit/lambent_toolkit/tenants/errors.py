"""What may stop a change of tenants and keys, each with the exit code that `lambent` ends with.

TenantError
├── TenantUnknown     140   no tenant of this name
├── TenantExists      141   the name is taken, or was until its files are gone
├── TenantInUse       142   a tenant has keys still
├── KeyUnknown        143   no key of this id, or not of this tenant
├── QuotaInvalid      144   a quota is not of the form that a key may have
├── KeyClosed         145   a key is disabled, or has another in its place already
├── TrailBroken       146   the trail of changes is not whole
├── HeadInvalid       147   what is said to be a head of the trail is none
└── AnchorsUnlocked   148   a bucket does not keep what is put there
"""

from __future__ import annotations

from lambent_toolkit.modelkit.errors import ModelkitError


class TenantError(ModelkitError):
    """Tenants or keys cannot be changed as asked."""


class TenantUnknown(TenantError):
    """There is no tenant of this name."""

    exit_code = 140


class TenantExists(TenantError):
    """The name is taken, or was, and files of it may be there still."""

    exit_code = 141


class TenantInUse(TenantError):
    """A tenant has keys still."""

    exit_code = 142


class KeyUnknown(TenantError):
    """There is no key of this id, or it is not this tenant's."""

    exit_code = 143


class QuotaInvalid(TenantError):
    """A quota is not of the form that a key may have."""

    exit_code = 144


class KeyClosed(TenantError):
    """A key is disabled, or has another in its place already."""

    exit_code = 145


class TrailBroken(TenantError):
    """A line of the trail was changed, removed, inserted, moved or cut off."""

    exit_code = 146


class HeadInvalid(TenantError):
    """A text, or a file of heads, is no head of the trail."""

    exit_code = 147


class AnchorsUnlocked(TenantError):
    """A bucket for anchors of the trail does not keep what is put there."""

    exit_code = 148
