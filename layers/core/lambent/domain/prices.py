"""List prices of what a batch uses: a dated table of one region, each price with where it was read.

No free tier, no tiers of volume, no discounts. Who deploys elsewhere pays about the same; the quote names the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

# After so many days a quote says how old the table is.
STALE_AFTER_DAYS = 180
_HOUR_S = 3600
# Spot capacity has no list price: a share of the on-demand price that has been usual for these types.
SPOT_SHARE = 0.4


@dataclass(frozen=True)
class Price:
    """USD for one of a unit.

    source   where it was read, and when; of a price that is not verified, where it should stand
    """

    usd: float
    unit: str
    source: str
    is_verified: bool = True


@dataclass(frozen=True)
class PriceTable:
    """The prices of one region at one date; ``hours`` of instance types on demand."""

    region: str
    read_on: date
    gb_seconds: dict[str, Price]
    lambda_request: Price
    queue_request: Price
    store_write: Price
    store_read: Price
    row_write: Price
    row_read: Price
    hours: dict[str, Price]

    @property
    def name(self) -> str:
        """Date and region."""
        return f"{self.read_on.isoformat()}, {self.region}"

    def spot_second_usd(self, instance_type: str) -> float:
        """Return what a second of spot capacity usually costs; raises KeyError for a type that the table lacks."""
        return self.hours[instance_type].usd * SPOT_SHARE / _HOUR_S

    def cheapest(self, instance_types: tuple[str, ...]) -> str | None:
        """Return the cheapest of these types, None if the table has none of them."""
        known = [each for each in instance_types if each in self.hours]
        return min(known, key=lambda each: self.hours[each].usd, default=None)

    def notes(self, *, region: str, today: date) -> list[str]:
        """Return what to know about prices of this table for a stack in ``region``."""
        age_days = (today - self.read_on).days
        unverified = self.unverified()
        notes = [f"Prices not verified: {', '.join(unverified)}."] if unverified else []
        if region != self.region:
            notes.append(f"Prices are those of {self.region}; this stack is in {region}.")
        if age_days > STALE_AFTER_DAYS:
            notes.append(f"The price table is {age_days} days old.")
        return notes

    def unverified(self) -> list[str]:
        """Return the units whose prices were written down from memory: nobody has found them at a source."""
        singles = (self.lambda_request, self.queue_request, self.store_write, self.store_read)
        rows = (self.row_write, self.row_read)
        every = [*self.gb_seconds.values(), *singles, *rows, *self.hours.values()]
        return [price.unit for price in every if not price.is_verified]


_LAMBDA = "https://cloudchipr.com/blog/aws-lambda-pricing, us-east-1, read 2026-11-27"
_VANTAGE = "https://instances.vantage.sh, data of 2025-11-30, us-east-1"
_FAMILIES = "https://www.factualminds.com/blog/amazon-ec2-on-demand-pricing-instance-families-2026/, June 2026"
_EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_S3 = "https://aws.amazon.com/s3/pricing/"

PRICES = PriceTable(
    region="us-east-1",
    read_on=date(2026, 11, 27),
    gb_seconds={
        "x86_64": Price(0.0000166667, "GB-second of Lambda on x86_64", _LAMBDA),
        "arm64": Price(0.0000133334, "GB-second of Lambda on arm64", _LAMBDA),
    },
    lambda_request=Price(0.20e-6, "request of Lambda", _LAMBDA),
    queue_request=Price(0.40e-6, "request of SQS", "https://aws.amazon.com/sqs/pricing/", is_verified=False),
    store_write=Price(5.0e-6, "PUT of S3", _S3, is_verified=False),
    store_read=Price(0.4e-6, "GET of S3", _S3, is_verified=False),
    row_write=Price(0.625e-6, "write of DynamoDB", _DYNAMODB, is_verified=False),
    row_read=Price(0.125e-6, "read of DynamoDB", _DYNAMODB, is_verified=False),
    hours={
        "g4dn.xlarge": Price(0.526, "hour of g4dn.xlarge", _VANTAGE),
        "g4dn.2xlarge": Price(0.752, "hour of g4dn.2xlarge", _EC2, is_verified=False),
        "g5.xlarge": Price(1.006, "hour of g5.xlarge", _FAMILIES),
        "g6.xlarge": Price(0.8048, "hour of g6.xlarge", _EC2, is_verified=False),
    },
)
