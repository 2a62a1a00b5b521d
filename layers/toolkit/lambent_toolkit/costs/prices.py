"""List prices of what a stack uses beside a batch, and what AWS gives away each month for good.

What a batch uses is priced in `lambent.domain.prices`, and stands here by reference only. What is free for an account's
first year counts as paid for.
"""

from __future__ import annotations

from dataclasses import dataclass

from lambent.domain.prices import PRICES, Price

_CLOUDWATCH_FREE = "https://aws.amazon.com/cloudwatch/pricing/, read 2026-11-29"
_CLOUDWATCH = (
    "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/, June 2026; "
    f"what is free: {_CLOUDWATCH_FREE}"
)
_GATEWAY = "https://appropri8-astro.pages.dev/tutorials/2025/12/02/deploying-simple-api-aws/page/7, December 2025"


@dataclass(frozen=True)
class Rate:
    """A price, and how many of its unit an account gets each month for nothing, for good."""

    price: Price
    free: float = 0.0

    def usd(self, quantity: float, *, with_free: bool) -> float:
        """Return what a month's quantity costs."""
        return max(quantity - self.free, 0.0) * self.price.usd if with_free else quantity * self.price.usd


GATEWAY_REQUEST = Rate(Price(3.50e-6, "request of a REST API", _GATEWAY))
LAMBDA_REQUEST = Rate(PRICES.lambda_request, free=1_000_000)
LAMBDA_GB_SECOND = Rate(PRICES.gb_seconds["x86_64"], free=400_000)
QUEUE_REQUEST = Rate(PRICES.queue_request, free=1_000_000)
ROW_READ = Rate(PRICES.row_read)
ALARM = Rate(Price(0.10, "alarm and month", _CLOUDWATCH), free=10)
METRIC = Rate(Price(0.30, "custom metric and month", _CLOUDWATCH), free=10)
DASHBOARD = Rate(Price(3.00, "dashboard and month", _CLOUDWATCH), free=3)
LOG_GB = Rate(Price(0.50, "GB of logs", _CLOUDWATCH), free=5)
TRACE = Rate(Price(5.0e-6, "trace of X-Ray", "https://aws.amazon.com/xray/pricing/, read 2026-11-29"), free=100_000)
STORED_GB = Rate(Price(0.023, "GB of S3 and month", "https://aws.amazon.com/s3/pricing/", is_verified=False))
IMAGE_GB = Rate(Price(0.10, "GB of ECR and month", "https://aws.amazon.com/ecr/pricing/", is_verified=False))
EVERY = (
    GATEWAY_REQUEST,
    LAMBDA_REQUEST,
    LAMBDA_GB_SECOND,
    QUEUE_REQUEST,
    ROW_READ,
    ALARM,
    METRIC,
    DASHBOARD,
    LOG_GB,
    TRACE,
    STORED_GB,
    IMAGE_GB,
)
